/** The script of /docs, run by the browser: fetches the document, asks for a key where one is needed, and shows it. */

interface Part {
  hidden: boolean;
  textContent: string;
  value: string;
  focus(): void;
  addEventListener(type: 'submit', listener: (event: { preventDefault(): void }) => void): void;
}
declare const document: { getElementById(id: string): Part };

interface Page {
  preauthorizeApiKey(scheme: string, key: string): void;
}
type MakeSample = (
  schema: unknown,
  mediaType: string | undefined,
  config: unknown,
  example: unknown,
) => string;
declare const SwaggerUIBundle: (options: {
  dom_id: string;
  spec: unknown;
  deepLinking: boolean;
  displayRequestDuration: boolean;
  defaultModelsExpandDepth: number;
  /** Otherwise a service on the internet is asked to check the document. */
  validatorUrl: null;
  plugins: (() => { afterLoad(this: { fn: { getSampleSchema: MakeSample } }): void })[];
  onComplete: () => void;
}) => Page;

/** As the document names the scheme. */
const SCHEME = 'key';

const form = document.getElementById('key-form');
const field = document.getElementById('key');
const message = document.getElementById('message');

async function open(key: string | undefined): Promise<void> {
  const headers: Record<string, string> = key === undefined ? {} : { Authorization: `Bearer ${key}` };
  const response = await fetch('/openapi.json', { headers });
  const body = (await response.json()) as { detail?: string };
  if (response.status === 401) {
    form.hidden = false;
    message.textContent = key === undefined ? '' : 'This key is not known.';
    field.focus();
    return;
  }
  if (!response.ok) throw new Error(body.detail);
  form.hidden = true;
  message.textContent = '';
  show(body, key);
}

function show(spec: unknown, key: string | undefined): void {
  const page = SwaggerUIBundle({
    dom_id: '#page',
    spec,
    deepLinking: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    validatorUrl: null,
    plugins: [keepLines],
    onComplete: () => {
      if (key !== undefined) page.preauthorizeApiKey(SCHEME, key);
    },
  });
}

/** Swagger UI takes any type with "json" in its name for JSON, and would put the lines of NDJSON into one quoted string. */
function keepLines() {
  return {
    afterLoad(this: { fn: { getSampleSchema: MakeSample } }): void {
      const make = this.fn.getSampleSchema;
      this.fn.getSampleSchema = (schema, mediaType, config, example) =>
        mediaType?.includes('ndjson') && typeof example === 'string'
          ? example
          : make(schema, mediaType, config, example);
    },
  };
}

function tryToOpen(key?: string): void {
  open(key).catch((error: Error) => {
    message.textContent = `The document could not be read: ${error.message}`;
  });
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  tryToOpen(field.value.trim());
});
tryToOpen();

export {};
