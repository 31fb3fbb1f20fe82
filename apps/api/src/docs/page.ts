/**
 * `/docs`: the interactive page, served from here alone, so that it works without the internet. The page and its files are
 * the same for everybody and need no key: a browser could not send one with them. What they show, /openapi.json, names the
 * models and is behind the key like the rest of the API; where keys are needed, the page asks for one and keeps it in memory.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BatchError } from '@millrace/batch/errors';
import type { RequestHandler } from 'express';

const SWAGGER = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

/** The files that the page needs, of those that come with Swagger UI, and its own script. */
const FILES: Record<string, string> = {
  'swagger-ui.css': join(SWAGGER, 'swagger-ui.css'),
  'swagger-ui-bundle.js': join(SWAGGER, 'swagger-ui-bundle.js'),
  'favicon-32x32.png': join(SWAGGER, 'favicon-32x32.png'),
  'browser.js': fileURLToPath(new URL('browser.js', import.meta.url)),
};

const STYLE = `body { margin: 0; }
#key-form { max-width: 28rem; margin: 4rem auto 0; padding: 0 1rem; font: 16px/1.5 sans-serif; }
#key-form input, #key-form button { font: inherit; padding: 0.4rem 0.6rem; margin: 0.3rem 0; box-sizing: border-box; }
#key-form input { width: 100%; }
#message { max-width: 28rem; margin: 1rem auto; padding: 0 1rem; font: 16px/1.5 sans-serif; color: #a00; }
#message:empty { display: none; }`;

/** Scripts, styles and requests stay on this origin; the icons of Swagger UI are data images. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  `style-src 'self' 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

export function docsRoutes(): {
  page: RequestHandler;
  asset: RequestHandler<{ release: string; file: string }>;
} {
  const files = new Map(Object.entries(FILES).map(([name, path]) => [name, readFileSync(path)]));
  const hash = createHash('sha256');
  for (const bytes of files.values()) hash.update(bytes);
  const release = hash.digest('hex').slice(0, 16);
  const html = pageHtml(`/docs/${release}`);
  return {
    page: (_request, response) => {
      response.set({
        'Content-Security-Policy': POLICY,
        'Cache-Control': 'no-cache',
        'Referrer-Policy': 'no-referrer',
        'X-Content-Type-Options': 'nosniff',
      });
      response.type('html').send(html);
    },
    asset: (request, response) => {
      const { file } = request.params;
      const bytes = request.params.release === release ? files.get(file) : undefined;
      if (bytes === undefined) throw new BatchError('not_found', `there is nothing at ${request.path}`);
      // The path changes with the contents of any file.
      response.set({
        'Cache-Control': 'public, max-age=31536000, immutable',
        'X-Content-Type-Options': 'nosniff',
      });
      response.type(file).send(bytes);
    },
  };
}

function pageHtml(base: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Millrace</title>
<link rel="icon" type="image/png" href="${base}/favicon-32x32.png">
<link rel="stylesheet" href="${base}/swagger-ui.css">
<style>${STYLE}</style>
</head>
<body>
<form id="key-form" hidden>
<label for="key">This API asks for a key.</label>
<input id="key" type="password" autocomplete="off" spellcheck="false" required>
<button>Open</button>
</form>
<p id="message" role="alert"></p>
<div id="page"></div>
<noscript>This page needs JavaScript. The document that it shows is at /openapi.json.</noscript>
<script src="${base}/swagger-ui-bundle.js"></script>
<script type="module" src="${base}/browser.js"></script>
</body>
</html>
`;
}
