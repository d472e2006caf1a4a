/** Beyond this a memory forgets everything: a trade needs what it made itself, and little of what others made. */
const MOST = 4_000;

/** The same function with a memory. Only for pure ones whose answers nobody changes. */
export function recalling<Args extends readonly unknown[], Answer>(
  call: (...args: Args) => Answer,
  keyOf: (...args: Args) => string,
): (...args: Args) => Answer {
  const answers = new Map<string, Answer>();
  return (...args) => {
    const key = keyOf(...args);
    const known = answers.get(key);
    if (known !== undefined) return known;
    const answer = call(...args);
    if (answers.size >= MOST) answers.clear();
    answers.set(key, answer);
    return answer;
  };
}
