import { Option, type Command } from 'commander'
import type { Platform } from '../content/platform.ts'
import type { CopyFlags } from './copy-flags.ts'
import * as values from './flag-values.ts'
import type { ListenAddress } from './flag-values.ts'
import type { GraphFormat } from './output/render-graph.ts'
import type { PlanFlags } from './plan-flags.ts'
import type { Template } from './template.ts'

/** What every command takes. The members of all these are the flags of the same name, which `--help` explains. */
export interface CommonFlags {
  readonly debug?: boolean | undefined
  readonly auditLog?: string | undefined
}

/** Of a command with a result. */
export interface FormatFlags extends CommonFlags {
  readonly format: 'text' | 'json'
}

/** How to connect to one registry: in `cp` each of them once for either side. */
export interface SideFlags {
  readonly ociLayout?: boolean | undefined
  readonly username?: string | undefined
  readonly password?: string | undefined
  readonly passwordStdin?: boolean | undefined
  readonly plainHttp?: boolean | undefined
  readonly insecure?: boolean | undefined
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  /** `Name: value` or `@FILE`. */
  readonly header?: readonly string[] | undefined
  /** Addresses by `host:port`. */
  readonly resolve?: Readonly<Record<string, string>> | undefined
  readonly registryConfig?: string | undefined
  readonly distributionSpec?: DistributionSpec | undefined
}

/** How to connect to the registries on all sides of a command. */
export interface SharedFlags {
  readonly registryConfig?: string | undefined
  readonly auth?: 'auto' | 'basic' | 'token' | undefined
  readonly trustRealm?: readonly string[] | undefined
  readonly proxy?: string | undefined
  readonly requestsPerSecond?: number | undefined
  readonly retries?: number | undefined
  /** In seconds. */
  readonly retryTime?: number | undefined
}

/** All that is said of the connection to one registry. */
export interface ConnectionFlags extends CommonFlags, SideFlags, SharedFlags {}

/** The flags of a side, with its name in front: `username` is `fromUsername`. */
type Prefixed<Prefix extends string, Flags> = {
  readonly [Name in keyof Flags & string as `${Prefix}${Capitalize<Name>}`]: Flags[Name]
}

/** As oras spells them: where referrers are kept. */
export type DistributionSpec = 'v1.1-referrers-api' | 'v1.1-referrers-tag'

export interface LoginFlags extends CommonFlags, ConnectionFlags {
  readonly identityToken?: string | undefined
  readonly identityTokenStdin?: boolean | undefined
}

export interface LogoutFlags extends CommonFlags {
  readonly registryConfig?: string | undefined
}

/** Of a command with one target. */
export interface TargetFlags extends FormatFlags, ConnectionFlags {}

/** Of a command that lists names. */
export interface ListFlags extends TargetFlags {
  readonly last?: string | undefined
  readonly limit?: number | undefined
}

/** Of `copygraph resolve`. */
export interface ResolveFlags extends TargetFlags {
  readonly platform?: Platform | undefined
}

/** Of `copygraph graph`. */
export interface GraphFlags extends ConnectionFlags {
  readonly platform?: Platform | undefined
  readonly direction?: 'down' | 'up' | 'both' | undefined
  readonly depth?: number | undefined
  readonly format: GraphFormat
}

/** Of `copygraph discover`. */
export interface DiscoverFlags extends ConnectionFlags {
  readonly platform?: Platform | undefined
  readonly artifactType?: string | undefined
  readonly depth?: number | undefined
  readonly format: 'tree' | 'json'
  readonly template?: Template | undefined
}

/** Of `copygraph serve`. */
export interface ServeFlags extends CommonFlags {
  readonly listen: ListenAddress
  readonly readOnly?: boolean | undefined
  readonly htpasswd?: string | undefined
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  readonly quiet?: boolean | undefined
}

/** Of `copygraph cp`. */
export interface CpFlags
  extends
    CommonFlags,
    CopyFlags,
    PlanFlags,
    SharedFlags,
    Prefixed<'from', SideFlags>,
    Prefixed<'to', SideFlags> {
  readonly concurrency?: number | undefined
  readonly chunkSize?: number | undefined
  readonly verify: 'root' | 'manifests' | 'full'
  readonly foreignLayers: 'skip' | 'copy' | 'error'
  readonly allowMissingSubject?: boolean | undefined
  readonly mountFrom: readonly string[]
  readonly quiet?: boolean | undefined
  readonly tty: boolean
}

/** Says that an argument is the folder of a layout without a prefix. */
export function addLayoutFlag(command: Command, prefix: '' | 'from-' | 'to-' = ''): Command {
  const whose = { '': 'the target', 'from-': 'the source', 'to-': 'the destination' }[prefix]
  return command.option(`--${prefix}oci-layout`, `${whose} is a layout: DIR:tag or DIR@digest, without oci:`)
}

/** Adds `--debug` and `--audit-log`. */
export function addCommonFlags(command: Command): Command {
  return command
    .option('--debug', 'show each request and, when something fails, where')
    .option('--audit-log <file>', 'append what is read and changed, a line of JSON for each operation')
}

/** Adds `--format`. */
export function addFormatFlag(command: Command): Command {
  const format = new Option('--format <format>', 'what is printed on stdout').choices(['text', 'json'])
  return command.addOption(format.default('text'))
}

/** The flags of one side of a copy (`from-`, `to-`), or of a command with one target (no prefix, and short forms). */
export function addConnectionFlags(command: Command, prefix: '' | 'from-' | 'to-' = ''): Command {
  const whose = { '': 'the registry', 'from-': 'the source', 'to-': 'the destination' }[prefix]
  const short = (letter: string): string => (prefix === '' ? `-${letter}, ` : '')
  return command
    .option(`${short('u')}--${prefix}username <name>`, `user name for ${whose}`)
    .option(`${short('p')}--${prefix}password <password>`, `password for ${whose}; others can see it`)
    .option(`--${prefix}password-stdin`, `read the password for ${whose} from stdin`)
    .option(`--${prefix}plain-http`, `HTTP without TLS to ${whose}; localhost needs no flag`)
    .option(`--${prefix}insecure`, `take any TLS certificate of ${whose}; TLS for localhost too`)
    .option(`--${prefix}ca-file <file>`, `certificates (PEM) to trust for ${whose}; TLS for localhost too`)
    .option(`--${prefix}cert-file <file>`, `certificate (PEM) to show to ${whose}, with --${prefix}key-file`)
    .option(`--${prefix}key-file <file>`, `its key (PEM), with --${prefix}cert-file`)
    .addOption(
      new Option(
        `${short('H')}--${prefix}header <'Name: value'>`,
        `header for ${whose}, or @FILE with one a line; may be repeated`,
      ).argParser(values.texts),
    )
    .addOption(
      new Option(
        `--${prefix}resolve <host:port:address[:port]>`,
        `address to connect to for a host of ${whose}; may be repeated`,
      ).argParser(values.resolveEntries),
    )
    .option(`--${prefix}registry-config <file>`, `the only file with stored credentials for ${whose}`)
}

/** How registries are reached and who is shown to them, on all sides of a command. */
export function addSharedFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--auth <way>', 'as the registry wants it; only the password; only tokens')
        .choices(['auto', 'basic', 'token'])
        .default('auto'),
    )
    .addOption(
      new Option(
        '--trust-realm <host>',
        'a token service elsewhere that may see credentials; may be repeated',
      )
        .argParser(values.registryNames)
        .default([], 'none'),
    )
    .option('--proxy <url>', "for all registries ($HTTPS_PROXY, $HTTP_PROXY, $NO_PROXY); '' for none")
    .addOption(
      new Option('--requests-per-second <number>', 'to each registry at most (no limit)').argParser(
        values.positiveInteger,
      ),
    )
    .addOption(
      new Option(
        '--retries <number>',
        'how often a request is repeated after a failure that may pass (5); 0 for never',
      ).argParser(values.count),
    )
    .addOption(
      new Option(
        '--retry-time <seconds>',
        'how long one request may wait for its repetitions in all (300)',
      ).argParser(values.seconds),
    )
}

/** Where one side of a copy, or the registry of a command with one target, keeps referrers. */
export function addReferrersFlag(command: Command, prefix: '' | 'from-' | 'to-' = ''): Command {
  const whose = { '': 'the registry', 'from-': 'the source', 'to-': 'the destination' }[prefix]
  const text = `where ${whose} keeps referrers (found out): in its API, or in tags`
  const option = new Option(`--${prefix}distribution-spec <how>`, text)
  return command.addOption(option.choices(['v1.1-referrers-api', 'v1.1-referrers-tag']))
}

/** Adds `--platform`. */
export function addPlatformFlag(command: Command): Command {
  const option = new Option(
    '--platform <os/arch[/variant]>',
    'take the one image for this platform; local for this machine',
  )
  return command.addOption(option.argParser(values.platform))
}
