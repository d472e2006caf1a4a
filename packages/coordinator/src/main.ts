#!/usr/bin/env node
import { existsSync } from 'node:fs';
import { backup } from './operate/backup.ts';
import { check } from './operate/check.ts';
import { runCommand } from './operate/commands.ts';
import { type Config, readConfig, withEnvFile, withSecretFiles } from './config/config.ts';
import { report } from './operate/report.ts';
import { serve } from './operate/serve.ts';
import { VERSION } from './version.ts';

const ENV_FILE = '.env';

const config = (): Config =>
  readConfig(withSecretFiles(existsSync(ENV_FILE) ? withEnvFile({ path: ENV_FILE, env: process.env }) : process.env));
const terminal = {
  out: (text: string) => void process.stdout.write(text),
  err: (text: string) => void process.stderr.write(text),
};

// What serves goes on after this: only what went wrong ends the process here.
process.exitCode = await runCommand(process.argv.slice(2), {
  config,
  terminal,
  commands: { backup, check, report, serve },
  version: VERSION,
});
if (process.exitCode !== 0) process.exit();
