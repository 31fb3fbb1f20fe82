/** What `fetch` met: the system's own code where there is one, which it hides in the cause. */
export function fetchProblem(error: unknown): string {
  const { cause, message } = error as Error;
  const { code, message: reason } = (cause ?? {}) as NodeJS.ErrnoException;
  return code ?? reason ?? message;
}
