/** Puts what is made of a report into a document, between the marks of its name. */

/**
 * @param blocks by name; one that the document has no marks for is another document's
 * @throws Error when the document has marks of a block that there is not, or marks none at all
 */
export function withBlocks(document: string, blocks: Readonly<Record<string, string>>): string {
  let found = 0;
  const renewed = document.replace(
    /<!-- bench: (\S+) -->\n[\s\S]*?\n<!-- end -->/g,
    (_, name: string): string => {
      const block = blocks[name];
      if (block === undefined) throw new Error(`there is nothing by the name of ${name}`);
      found++;
      return `<!-- bench: ${name} -->\n${block}\n<!-- end -->`;
    },
  );
  if (found === 0) throw new Error('the document marks no place for figures');
  return renewed;
}
