import { readFileSync } from 'node:fs'
import { stderr, stdout } from 'node:process'
import { Command, Option } from 'commander'
import { printable } from '../content/printable.ts'
import { redacted } from '../content/reference.ts'
import * as values from './flag-values.ts'
import * as flags from './flags.ts'
import { addCopyFlags } from './copy-flags.ts'
import { addGraphCommands } from './graph-commands.ts'
import { exitCodesHelp } from './output/exit-codes.ts'
import { referencesHelp } from './output/references-help.ts'
import { addPlanFlags, planHelp } from './plan-flags.ts'

/** What a command gets from the process that it runs in. */
export interface CommandContext {
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
}

/** Hears what a command ended with. */
export type OnExitCode = (code: number) => void

/**
 * The command line: names, flags and help. What a command needs is loaded when it runs, so that help, the version and
 * wrong flags cost nothing.
 */
export function createProgram(context: CommandContext, onExitCode: OnExitCode): Command {
  const program = new Command('copygraph')
    .description('Copies graphs of OCI content between registries and OCI image layouts.')
    .version(readVersion())
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(asError(text)),
    })
    .addHelpText('after', exitCodesHelp)
  addCp(program, context, onExitCode)
  addServe(program, context, onExitCode)
  addResolve(program, context, onExitCode)
  addGraphCommands(program, context, onExitCode)
  addRepo(program, context, onExitCode)
  addLogin(program, context, onExitCode)
  addLogout(program, context, onExitCode)
  return program
}

const cpHelp = `
A destination may have several tags: host/repository:v1,v1.2,latest. Without one, a repository gets the tag of the
source, docker:// gets latest, and a layout none.
With --platform for one platform the image alone is copied. Several, or *, make a new index of these, with another digest,
unless --sparse keeps the old one: many registries refuse such an index, and a later copy of all of it needs --verify
manifests. Changes are made in this order: --strip-attestations, --to-oci or --to-docker, --compress, --created,
--annotation. What was signed by its digest is not signed any more after them: --on-invalidated.
stdout has one line, the destination with the digest that is there now, or one JSON report
(docs/cp-report.schema.json). Progress goes to stderr; --quiet leaves it out, and warnings too.
`

function addCp(program: Command, context: CommandContext, onExitCode: OnExitCode): void {
  const command = program
    .command('cp')
    .alias('copy')
    .summary('copy an image or artifact, with all that is under it')
    .description(
      'Copies an image, an index with all its platforms, or any artifact: byte for byte, if nothing is to be changed.',
    )
    .usage('[options] <source> <destination>[,tag...]')
    .argument('<source>')
    .argument('<destination>')
  addCopyFlags(command)
  addTransferFlags(command)
  addSideFlags(command)
  addPlanFlags(command)
  command
    .option('-q, --quiet', 'no progress and no warnings on stderr')
    .option('--no-tty', 'lines instead of progress bars')
  flags
    .addCommonFlags(command)
    .addHelpText('after', referencesHelp + cpHelp + planHelp + exitCodesHelp)
    .action(async (source: string, destination: string, given: flags.CpFlags) => {
      const { cp } = await import('./commands/cp.ts')
      onExitCode(await cp(source, destination, given, context))
    })
}

function addTransferFlags(command: Command): void {
  command
    .addOption(
      new Option('-j, --concurrency <number>', 'large blobs at a time (6)').argParser(values.positiveInteger),
    )
    .addOption(
      new Option(
        '--chunk-size <bytes>',
        'larger blobs are sent in chunks of so many (4MiB, 4194304)',
      ).argParser(values.byteSize),
    )
    .addOption(
      new Option('--verify <depth>', 'how much of what is there already is looked at')
        .choices(['root', 'manifests', 'full'])
        .default('root'),
    )
    .addOption(
      new Option('--foreign-layers <choice>', 'what to do with layers that may not be distributed')
        .choices(['skip', 'copy', 'error'])
        .default('skip'),
    )
    .option('--allow-missing-subject', 'copy a referrer whose subject the source does not have')
    .addOption(
      new Option('--mount-from <repository>', 'where the registry may have blobs already; may be repeated')
        .argParser(values.texts)
        .default([], 'none'),
    )
}

function addSideFlags(command: Command): void {
  for (const side of ['from-', 'to-'] as const) {
    flags.addLayoutFlag(command, side)
    flags.addConnectionFlags(command, side)
    flags.addReferrersFlag(command, side)
  }
  command.option('--registry-config <file>', 'the only file with stored credentials for both sides')
  flags.addSharedFlags(command)
}

function addServe(program: Command, context: CommandContext, onExitCode: OnExitCode): void {
  const command = program
    .command('serve')
    .summary('serve a layout, a folder of layouts, or memory as a registry')
    .description(
      'Serves a layout, a folder of layouts or, without DIR, memory as a registry until it is interrupted.',
    )
    .argument('[DIR]')
    .addOption(
      new Option('--listen <host:port>', 'port 0 takes any that is free')
        .argParser(values.listenAddress)
        .default({ host: '127.0.0.1', port: 5000 }, '127.0.0.1:5000'),
    )
    .option('--read-only', 'refuse all that writes')
    .option('--htpasswd <file>', 'users and their passwords, hashed with bcrypt (htpasswd -B)')
    .option('--tls-cert <file>', 'certificate (PEM), with --tls-key')
    .option('--tls-key <file>', 'key (PEM), with --tls-cert')
    .option('-q, --quiet', 'no line for each request on stderr')
  flags
    .addCommonFlags(command)
    .addHelpText(
      'after',
      `\nstdout has one line, the URL, as soon as it listens. Ctrl-C and SIGTERM end it with exit code 0.\n${exitCodesHelp}`,
    )
    .action(async (directory: string | undefined, given: flags.ServeFlags) => {
      const { serve } = await import('./commands/serve.ts')
      onExitCode(await serve(directory, given, context))
    })
}

function addResolve(program: Command, context: CommandContext, onExitCode: OnExitCode): void {
  const command = program
    .command('resolve')
    .summary('print the digest of a reference')
    .description('Prints the digest of a reference; with --format json, its descriptor.')
    .argument('<reference>')
  flags.addPlatformFlag(command)
  flags.addLayoutFlag(command)
  addTargetFlags(command)
    .addHelpText('after', referencesHelp + exitCodesHelp)
    .action(async (reference: string, given: flags.ResolveFlags) => {
      const { resolve } = await import('./commands/resolve.ts')
      onExitCode(await resolve(reference, given, context))
    })
}

function addRepo(program: Command, context: CommandContext, onExitCode: OnExitCode): void {
  const repo = program.command('repo').description('Lists what a repository or a registry has.')
  const tags = repo
    .command('tags')
    .description('Lists the tags of a repository or layout, one a line.')
    .argument('<repository>', 'host/repository, docker://repository or oci:DIR')
  flags.addLayoutFlag(tags)
  addListFlags(tags)
    .addHelpText('after', exitCodesHelp)
    .action(async (repository: string, given: flags.ListFlags) => {
      const { repoTags } = await import('./commands/repo-tags.ts')
      onExitCode(await repoTags(repository, given, context))
    })
  const list = repo
    .command('ls')
    .description('Lists the repositories of a registry, one a line.')
    .usage('[options] <registry>[/prefix]')
    .argument('<registry>', 'host or host:port; with a prefix only the repositories under it')
  addListFlags(list)
    .addHelpText('after', exitCodesHelp)
    .action(async (registry: string, given: flags.ListFlags) => {
      const { repoLs } = await import('./commands/repo-ls.ts')
      onExitCode(await repoLs(registry, given, context))
    })
}

const credentialsHelp = `
Credentials of all commands, in this order: their flags; COPYGRAPH_USERNAME and COPYGRAPH_PASSWORD, or COPYGRAPH_TOKEN,
for the registry that COPYGRAPH_REGISTRY names; what is stored: $DOCKER_CONFIG/config.json, $REGISTRY_AUTH_FILE,
~/.docker/config.json, and podman's auth.json, with the credential helpers that they name.
`

function addLogin(program: Command, context: CommandContext, onExitCode: OnExitCode): void {
  const command = program
    .command('login')
    .summary('check a user name and a password, and store them')
    .description(
      'Checks a user name and a password at a registry, and stores them where docker finds them too.',
    )
    .argument('<registry>', 'host or host:port; docker.io for Docker Hub')
    .option('--identity-token <token>', 'an identity token instead of a password; others can see it')
    .option('--identity-token-stdin', 'read the identity token from stdin')
  flags.addConnectionFlags(command)
  flags.addSharedFlags(command)
  flags
    .addCommonFlags(command)
    .addHelpText('after', credentialsHelp + exitCodesHelp)
    .action(async (registry: string, given: flags.LoginFlags) => {
      const { login } = await import('./commands/login.ts')
      onExitCode(await login(registry, given, context))
    })
}

function addLogout(program: Command, context: CommandContext, onExitCode: OnExitCode): void {
  const command = program
    .command('logout')
    .description('Removes what is stored for a registry.')
    .argument('<registry>', 'host or host:port; docker.io for Docker Hub')
    .option('--registry-config <file>', 'the only file with stored credentials')
  flags
    .addCommonFlags(command)
    .addHelpText('after', exitCodesHelp)
    .action(async (registry: string, given: flags.LogoutFlags) => {
      const { logout } = await import('./commands/logout.ts')
      onExitCode(await logout(registry, given, context))
    })
}

function addListFlags(command: Command): Command {
  command
    .option('--last <name>', 'only names after this one')
    .addOption(new Option('--limit <number>', 'at most so many').argParser(values.positiveInteger))
  return addTargetFlags(command)
}

function addTargetFlags(command: Command): Command {
  flags.addConnectionFlags(command)
  flags.addSharedFlags(command)
  flags.addFormatFlag(command)
  return flags.addCommonFlags(command)
}

/** Commander's sentence in our form, with a pointer to the help; its second line is a suggestion. */
function asError(text: string): string {
  const [sentence = '', ...rest] = withoutSecrets(text).trimEnd().split('\n').map(printable)
  const error = sentence.replace(/^error: /, '')
  return [`Error: ${error}`, ...rest, 'Hint: --help shows how it is used', ''].join('\n')
}

/** What was typed is quoted: of an unknown option the name is enough; what is too much, and a reference, may hold a password. */
function withoutSecrets(text: string): string {
  const cut = text
    .replace(/^(error: unknown option '(?:--[^'=]*|-.))[^]*'/, "$1'")
    .replace(/^(error: too many arguments[^]*? but got \d+)[^]*/, '$1.')
  const start = cut.indexOf("'") + 1
  return `${cut.slice(0, start)}${redacted(cut.slice(start))}`
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  const isKnown = typeof manifest === 'object' && manifest !== null && 'version' in manifest
  return isKnown ? String(manifest.version) : 'unknown'
}
