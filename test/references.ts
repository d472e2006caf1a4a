/** A page of the documentation; `path` is relative to the repository. */
export type Page = { path: string; text: string };

/** A link by reference: `[text][name]` with `[name]: target` elsewhere on the page. `target` is absent when that is not there. */
export type Reference = { text: string; target?: string };

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '');

export function referencesOf({ text }: Page): Reference[] {
  const prose = withoutCode(text);
  const targets = new Map([...prose.matchAll(/^\[([^\]]+)\]: (\S+)$/gm)].map(([, name = '', to = '']) => [name, to]));
  return [...prose.matchAll(/\[([^[\]]+)\]\[([^[\]]+)\]/g)].map(([, words = '', name = '']) => {
    const target = targets.get(name);
    return { text: words.replace(/\s+/g, ' '), ...(target === undefined ? {} : { target }) };
  });
}

/** Targets that no link of the page uses. */
export function unusedTargets(page: Page): string[] {
  const prose = withoutCode(page.text);
  const used = new Set([...prose.matchAll(/\[[^[\]]+\]\[([^[\]]+)\]/g)].map(([, name]) => name));
  return [...prose.matchAll(/^\[([^\]]+)\]: \S+$/gm)].flatMap(([, name = '']) => (used.has(name) ? [] : [name]));
}

const escaped = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

type Name = { pattern: RegExp; hasHoles: boolean };

/** What a test file calls its tests: the first argument of `test`, `describe` and the `run` of a suite, or a `sentence`. */
function namesIn(source: string): Name[] {
  const calls = source.matchAll(/(?:\b(?:test|describe|run)\(\s*|\bsentence: )(['"`])((?:\\.|(?!\1)[^\\])*)\1/g);
  return [...calls].map(([, quote, body = '']) => {
    const parts = (quote === '`' ? body.split(/\$\{[^}]*\}/) : [body]).map((part) => part.replace(/\\(.)/g, '$1'));
    return { pattern: new RegExp(`^${parts.map(escaped).join('(.+)')}$`), hasHoles: parts.length > 1 };
  });
}

/** Whether a test file has a test of this name. What stands where the name has a hole must stand in the file as well. */
export function hasTest(source: string, name: string): boolean {
  const text = source.replace(/(?<=\d)_(?=\d)/g, '');
  return namesIn(source).some(({ pattern, hasHoles }) => {
    const found = pattern.exec(name);
    if (found === null) return false;
    return !hasHoles || found.slice(1).every((piece) => text.includes(piece.replace(/^["(]+|[")]+$/g, '')));
  });
}

/** The names in backticks of a link to a source file, each without its arguments: `checkQuote`, `Trader.start`. */
export const identifiersIn = (text: string): string[] =>
  [...text.matchAll(/`([^`]+)`/g)].flatMap(([, code = '']) => code.replace(/\(.*/, '').split('.'));

/** Rows of the tables of a page whose first cell is exactly this. */
export const rowsOf = ({ text }: Page, first: string): string[] =>
  text.split('\n').filter((line) => line.startsWith(`| ${first} |`));
