import { stdin } from 'node:process'
import { addAbortSignal } from 'node:stream'
import { Command } from 'commander'
import type { Side } from '../events.ts'
import type { Credential } from '../targets/remote/auth/credential.ts'
import type { ReferrersMode } from '../targets/remote/endpoint.ts'
import type { RetryOptions } from '../targets/remote/transport/attempts.ts'
import { environmentCredential, type EnvironmentCredential } from './environment-credential.ts'
import { readFlagFile } from './flag-values.ts'
import type { ConnectionFlags, CpFlags, SideFlags } from './flags.ts'
import { readHeaders, showsSecret } from './headers.ts'
import { usageError } from './usage-error.ts'

/** How to connect to one registry. */
export interface Connection {
  /** Of its flags. */
  readonly credential?: Credential | undefined
  /** Of the environment, for one registry. */
  readonly ofEnvironment?: EnvironmentCredential | undefined
  /** The only file with stored credentials. */
  readonly registryConfig?: string | undefined
  readonly authentication?: 'auto' | 'basic' | 'token' | undefined
  readonly trustedRealms?: readonly string[] | undefined
  /** HTTP without TLS. @default for localhost only */
  readonly plainHttp?: boolean | undefined
  /** Takes any certificate. @default false */
  readonly insecure?: boolean | undefined
  /** Certificates in PEM. */
  readonly ca?: string | undefined
  /** The certificate that the registry sees, in PEM, and its key. */
  readonly certificate?: string | undefined
  readonly key?: string | undefined
  /** For the registry alone. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Addresses by `host:port`. */
  readonly resolve?: Readonly<Record<string, string>> | undefined
  /** Of a proxy; '' for none. @default as the environment says */
  readonly proxy?: string | undefined
  readonly requestsPerSecond?: number | undefined
  /** Events of requests have their headers, masked. @default false */
  readonly traceHeaders?: boolean | undefined
  readonly retry?: RetryOptions | undefined
  /** Where referrers are kept. @default found out */
  readonly referrers?: ReferrersMode | undefined
}

/** What the flags of one side of a copy begin with; `--` for a command with one target. */
export type FlagPrefix = '--' | '--from-' | '--to-'

/**
 * The connection flags of one side of a copy: `fromUsername` is its `username`. What is said of a side goes before what is
 * said of both. That each flag has the type of its member is commander's word here as it is for all other flags.
 */
export function flagsOfSide(flags: CpFlags, side: Side): ConnectionFlags {
  const prefix = side === 'source' ? /^from(?=[A-Z])/ : /^to(?=[A-Z])/
  const ofSide = new Command()
  for (const [name, value] of Object.entries<unknown>({ ...flags })) {
    if (prefix.test(name)) ofSide.setOptionValue(uncapitalized(name.replace(prefix, '')), value)
  }
  return { ...flags, ...ofSide.opts<SideFlags>() }
}

/** Reads what the flags name: a password from stdin, certificates from a file. Throws a usage error. */
export async function readConnection(
  flags: ConnectionFlags,
  prefix: FlagPrefix,
  signal: AbortSignal,
): Promise<Connection> {
  const { username, password, passwordStdin = false, plainHttp, insecure, caFile } = flags
  if (password !== undefined && passwordStdin) {
    throw usageError(`${prefix}password and ${prefix}password-stdin exclude each other: give one of them`)
  }
  const hasPassword = password !== undefined || passwordStdin
  if (hasPassword !== (username !== undefined)) {
    throw usageError(`a user name and a password go together: ${prefix}username NAME ${prefix}password-stdin`)
  }
  const ca = await readFlagFile(caFile, `${prefix}ca-file`)
  const client = await readClientCertificate(flags, prefix)
  const headers = await readHeaders(flags.header ?? [], `${prefix}header`)
  const secret = passwordStdin ? await readPassword(signal) : password
  const credential =
    username === undefined || secret === undefined ? undefined : { username, password: secret }
  // Without a flag localhost is reached by HTTP; who says something about certificates wants TLS there too.
  const wantsTls = ca !== undefined || client !== undefined || insecure === true
  return {
    credential,
    ofEnvironment: environmentCredential(),
    registryConfig: flags.registryConfig,
    authentication: flags.auth,
    trustedRealms: flags.trustRealm,
    plainHttp: plainHttp ?? (wantsTls ? false : undefined),
    insecure,
    ca,
    ...client,
    headers,
    resolve: flags.resolve,
    proxy: flags.proxy,
    requestsPerSecond: flags.requestsPerSecond,
    traceHeaders: flags.debug,
    retry: retryOptions(flags),
    referrers: flags.distributionSpec && referrersModes[flags.distributionSpec],
  }
}

async function readClientCertificate(
  { certFile, keyFile }: ConnectionFlags,
  prefix: FlagPrefix,
): Promise<Pick<Connection, 'certificate' | 'key'> | undefined> {
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw usageError(`a certificate and its key go together: ${prefix}cert-file FILE ${prefix}key-file FILE`)
  }
  if (certFile === undefined) return undefined
  return {
    certificate: await readFlagFile(certFile, `${prefix}cert-file`),
    key: await readFlagFile(keyFile, `${prefix}key-file`),
  }
}

const referrersModes = { 'v1.1-referrers-api': 'api', 'v1.1-referrers-tag': 'tag-schema' } as const

/** Who asks for repetitions counts those, as of skopeo's --retry-times; an attempt is the first request too. */
function retryOptions({ retries, retryTime }: ConnectionFlags): RetryOptions {
  return {
    attempts: retries === undefined ? undefined : retries + 1,
    budgetMilliseconds: retryTime === undefined ? undefined : retryTime * 1000,
  }
}

/** What docker says too, to whoever types a secret where others see it. */
export function secretWarnings(flags: ConnectionFlags, prefix: FlagPrefix): readonly string[] {
  const { password, header = [], proxy = '' } = flags
  const seen = 'to everyone who lists processes'
  return [
    ...(password === undefined
      ? []
      : [`${prefix}password shows the password ${seen}: ${prefix}password-stdin does not`]),
    ...(header.some(showsSecret)
      ? [`${prefix}header shows its value ${seen}: ${prefix}header @FILE does not`]
      : []),
    ...(proxy.includes('@') ? [`--proxy shows its password ${seen}: the variable HTTPS_PROXY does not`] : []),
  ]
}

const maxPasswordBytes = 64 * 1024

/** All of stdin but one line end, as `docker login --password-stdin` reads it. */
export async function readPassword(signal: AbortSignal): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of addAbortSignal(signal, stdin)) {
    const bytes = Buffer.from(chunk)
    size += bytes.length
    if (size > maxPasswordBytes)
      throw usageError(`the password on stdin is longer than ${maxPasswordBytes} bytes`)
    chunks.push(bytes)
  }
  const password = Buffer.concat(chunks)
    .toString('utf8')
    .replace(/\r?\n$/, '')
  if (password === '') throw usageError('there is no password on stdin')
  return password
}

function uncapitalized(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1)
}
