import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { SparkleError } from 'sparkle-protocol/protocol/errors';
import type { Config } from '../config/config.ts';
import { isMonth } from '../books/ledger.ts';

/** What the command line is told with: results to `out`, complaints to `err`. */
export type Terminal = { out(text: string): void; err(text: string): void };

/** Reads the configuration when a command needs it: `--help` must work without one. Throws `bad_config`. */
export type ConfigReader = () => Config;

export type CommandContext = { config: ConfigReader; terminal: Terminal };

/** What each command does, by its name. */
export type Commands = {
  serve(context: CommandContext): Promise<void>;
  check(context: CommandContext): Promise<void>;
  backup(context: CommandContext, of: { file: string }): Promise<void>;
  report(context: CommandContext, of: { month: string; json: boolean }): Promise<void>;
};

const EXIT = { failed: 1, misused: 2 } as const;

function programOf(of: CommandContext & { commands: Commands; version: string }): Command {
  const { commands, version, terminal, ...context } = of;
  const given = { ...context, terminal };
  const program = new Command('coordinator')
    .description('Sells Bitcoin inscriptions for Lightning payments over HTTP. Configured by the environment and .env.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err, outputError: (text, write) => write(text) });
  program
    .command('serve')
    .description('serve until SIGTERM; what is done without a command')
    .action(() => commands.serve(given));
  program
    .command('check')
    .description('read the configuration and ask every part that it names, without serving')
    .action(() => commands.check(given));
  program
    .command('backup')
    .description('copy the database into a new file, also while the coordinator runs; the rescue phrase is not in it')
    .argument('<file>')
    .action((file: string) => commands.backup(given, { file }));
  addReport(program, (of) => commands.report(given, of));
  return program;
}

const monthAsked = (text: string): string => {
  if (isMonth(text)) return text;
  throw new InvalidArgumentError('It must be a month as YYYY-MM.');
};

function addReport(program: Command, run: (of: { month: string; json: boolean }) => Promise<void>): void {
  program
    .command('report')
    .description('show the books of a month (UTC), in sats, also while the coordinator runs')
    .requiredOption('--month <YYYY-MM>', 'which month', monthAsked)
    .option('--json', 'for a program, in msat', false)
    .action(run);
}

function exitCodeOf(error: unknown, { err }: Terminal): number {
  // Commander has said it already; help and version are no failure.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT.misused;
  // What is wrong with what was asked or configured is said in its own words, anything else is a defect and keeps its stack.
  if (!(error instanceof SparkleError)) {
    err(`${String((error as Error).stack ?? error)}\n`);
    return EXIT.failed;
  }
  err(`${error.message}\n`);
  return error.code === 'bad_config' ? EXIT.misused : EXIT.failed;
}

/**
 * Does what the arguments ask, without the names of Node and program. Resolves to the exit code: 0; 1 when it failed; 2 for
 * arguments that are none, or a configuration that must be changed. Never rejects.
 */
export async function runCommand(
  args: readonly string[],
  of: CommandContext & { commands: Commands; version: string },
): Promise<number> {
  try {
    await programOf(of).parseAsync(args.length === 0 ? ['serve'] : args, { from: 'user' });
    return 0;
  } catch (error) {
    return exitCodeOf(error, of.terminal);
  }
}
