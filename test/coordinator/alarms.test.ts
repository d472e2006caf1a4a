import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Every code with which a trade, what follows from one, or the guardian speaks up, as the sources write it. */
function codes(): string[] {
  const found = ['packages/sparkle/src', 'packages/coordinator/src'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !/\.(?:test|suite)\.ts$/.test(name))
      .flatMap((name) => {
        const text = readFileSync(join(root, folder, name), 'utf8');
        const alerts = text.matchAll(/do: 'alert',[^}]*?code: '(\w+)'/g);
        const logged = text.matchAll(/level: '(?:warn|page)', code: '(\w+)'/g);
        const ofGuardian = name.endsWith('guardian.ts') ? text.matchAll(/(?:code: |#seen\()'(\w+)'/g) : [];
        return [...alerts, ...logged, ...ofGuardian].map(([, code = '']) => code);
      }),
  );
  return [...new Set(found)].toSorted();
}

test('every alarm has a paragraph in docs/operate.md that says what to do, and every paragraph an alarm', () => {
  const page = readFileSync(join(root, 'docs', 'operate.md'), 'utf8');
  const [, section = ''] = /^## When paged\n([\s\S]*?)^## /m.exec(page) ?? [];
  const paragraphs = [...section.matchAll(/^### `(\w+)`\n\n(?=\S)/gm)].map(([, code = '']) => code);
  assert.ok(codes().includes('refund_late') && codes().includes('sat_lost') && codes().includes('store_unavailable'));
  assert.deepEqual(paragraphs.toSorted(), codes());
});
