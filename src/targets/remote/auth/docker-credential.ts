import { spawn, type ChildProcess } from 'node:child_process'
import { access } from 'node:fs/promises'
import { constants } from 'node:fs'
import { delimiter, isAbsolute, join } from 'node:path'
import { env, platform } from 'node:process'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { printable } from '../../../content/printable.ts'
import { tryParseJson } from '../../../content/try-parse-json.ts'
import { AuthError, UnsupportedError } from '../../../errors.ts'
import { longestTimer } from '../../pause.ts'
import { tokenUser, type Credential } from './credential.ts'

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>

export interface CredentialHelperOptions {
  readonly signal?: AbortSignal | undefined
  /** How long a helper may take, which may ask its user something, in milliseconds. @default 60 seconds */
  readonly helperTimeout?: number | undefined
  /** Helpers are searched in its PATH, and get all of it. @default that of this process */
  readonly environment?: Environment | undefined
}

/**
 * The credential that `docker-credential-<helper>` has under a key; undefined if it says that it has none.
 * Errors: AUTH for a helper that is not there, fails, or answers something else. Nothing that it writes is shown. A
 * RangeError for a `helperTimeout` that is not more than 0.
 */
export async function getFromHelper(
  helper: string,
  key: string,
  options: CredentialHelperOptions = {},
): Promise<Credential | undefined> {
  const exchange = { helper, verb: 'get', key } as const
  const answer = await run(exchange, key, options)
  if (saysNotFound(answer)) return undefined
  if (answer.code !== 0) throw exited(exchange, answer.code)
  return parseAnswer(answer.stdout, exchange)
}

/**
 * Has a helper keep a credential. Errors: AUTH as above; UNSUPPORTED for what helpers do not know, an access token, or an
 * identity token with the name of its user.
 */
export async function storeInHelper(
  helper: string,
  key: string,
  credential: Credential,
  options: CredentialHelperOptions = {},
): Promise<void> {
  if ('accessToken' in credential) {
    throw new UnsupportedError(
      `docker-credential-${helper} keeps passwords and identity tokens, no access tokens`,
    )
  }
  if ('identityToken' in credential && credential.username !== undefined) {
    throw new UnsupportedError(
      `docker-credential-${helper} keeps no user name with an identity token: give none`,
    )
  }
  const [Username, Secret] =
    'password' in credential
      ? [credential.username, credential.password]
      : [tokenUser, credential.identityToken]
  const exchange = { helper, verb: 'store', key } as const
  const { code } = await run(exchange, JSON.stringify({ ServerURL: key, Username, Secret }), options)
  if (code !== 0) throw exited(exchange, code)
}

/** Has a helper forget a credential; false if it says that it has none. Error: AUTH as above. */
export async function eraseFromHelper(
  helper: string,
  key: string,
  options: CredentialHelperOptions = {},
): Promise<boolean> {
  const exchange = { helper, verb: 'erase', key } as const
  const answer = await run(exchange, key, options)
  if (saysNotFound(answer)) return false
  if (answer.code !== 0) throw exited(exchange, answer.code)
  return true
}

/** Throws a RangeError for a time that no helper could keep. */
export function expectHelperTimeout(milliseconds: number = defaultTimeout): void {
  if (!(milliseconds > 0)) throw new RangeError(`helperTimeout is ${milliseconds}: it must be more than 0`)
}

const defaultTimeout = 60_000

/** What docker's helpers say instead of an answer. */
const notFound = 'credentials not found in native keychain'

const maxOutputBytes = 256 * 1024

interface Exchange {
  readonly helper: string
  readonly verb: 'get' | 'store' | 'erase'
  readonly key: string
}

interface Answer {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

function saysNotFound({ code, stdout, stderr }: Answer): boolean {
  return code !== 0 && [stdout, stderr].some((text) => text.trim() === notFound)
}

/** A helper that is killed is waited for; what it has started itself may go on. */
async function run(exchange: Exchange, input: string, options: CredentialHelperOptions): Promise<Answer> {
  const { signal, helperTimeout = defaultTimeout, environment = env } = options
  expectHelperTimeout(helperTimeout)
  const file = await locate(exchange, environment)
  signal?.throwIfAborted()
  const child = spawn(file, [exchange.verb], { env: { ...environment }, stdio: 'pipe', windowsHide: true })
  const end = ended(child)
  // Without descriptors for its pipes there is a child without them, and an error to come.
  if (child.pid === undefined) await startFailure(end, exchange)
  let problem: string | undefined
  const stop = (why: string): void => {
    problem ??= why
    child.kill('SIGKILL')
    letGo(child)
  }
  const abort = (): void => stop('was aborted')
  const timer = setTimeout(
    stop,
    Math.min(helperTimeout, longestTimer),
    `did not answer within ${helperTimeout / 1000} s`,
  )
  signal?.addEventListener('abort', abort, { once: true })
  // A helper that does not read its input closes the pipe.
  child.stdin.on('error', () => undefined)
  child.stdin.end(input)
  const tooLong = (): void => stop(`wrote more than ${maxOutputBytes} bytes`)
  const stdout = collect(child.stdout, tooLong)
  const stderr = collect(child.stderr, tooLong)
  try {
    const code = await end
    signal?.throwIfAborted()
    if (problem !== undefined) throw failed(exchange, problem)
    return { code, stdout: stdout(), stderr: stderr() }
  } catch (cause) {
    signal?.throwIfAborted()
    throw cause instanceof AuthError ? cause : notStarted(exchange, cause)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', abort)
  }
}

async function startFailure(end: Promise<unknown>, exchange: Exchange): Promise<never> {
  const cause = await end.catch((error: unknown) => error)
  throw notStarted(exchange, cause)
}

function notStarted(exchange: Exchange, cause: unknown): AuthError {
  return failed(exchange, 'could not be started', { cause })
}

/**
 * The file of a helper. Names with a path in them are refused, and folders on PATH that depend on the current one are
 * passed over: what lies there is not to be trusted with secrets.
 */
async function locate(exchange: Exchange, environment: Environment): Promise<string> {
  const { helper } = exchange
  if (!/^[a-z0-9._-]+$/i.test(helper)) throw failed(exchange, 'has a name that no program should have')
  const name = `docker-credential-${helper}${platform === 'win32' ? '.exe' : ''}`
  for (const folder of (environment['PATH'] ?? '').split(delimiter)) {
    const file = join(folder, name)
    if (isAbsolute(folder) && (await isExecutable(file))) return file
  }
  throw failed(exchange, 'is not there: it must be on PATH')
}

function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  )
}

/** Agents that a helper has started for later may hold its output open when it has long answered. */
const lingerMilliseconds = 1000

async function ended(child: ChildProcess): Promise<number | null> {
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', () => (timer = setTimeout(letGo, lingerMilliseconds, child)))
      child.once('close', resolve)
    })
  } finally {
    clearTimeout(timer)
  }
}

function letGo({ stdout, stderr }: Pick<ChildProcess, 'stdout' | 'stderr'>): void {
  stdout?.destroy()
  stderr?.destroy()
}

function collect(stream: Readable, tooLong: () => void): () => string {
  const chunks: Buffer[] = []
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > maxOutputBytes) tooLong()
    else chunks.push(chunk)
  })
  return () => Buffer.concat(chunks).toString()
}

const answerSchema = z.object({ Username: z.string(), Secret: z.string() })

function parseAnswer(stdout: string, exchange: Exchange): Credential | undefined {
  const { data } = answerSchema.safeParse(tryParseJson(stdout))
  if (data === undefined) throw failed(exchange, 'answered something else than JSON with Username and Secret')
  const { Username: username, Secret: password } = data
  if (password === '') return undefined
  return username === tokenUser ? { identityToken: password } : { username, password }
}

/** Says how to see what is not shown here. */
function exited(exchange: Exchange, code: number | null): AuthError {
  const { helper, verb, key } = exchange
  const advice =
    verb === 'get' ? `; "echo ${printable(key)} | docker-credential-${helper} get" shows why` : ''
  return failed(exchange, `failed with ${code === null ? 'a signal' : `exit code ${code}`}${advice}`)
}

function failed({ helper, key }: Exchange, problem: string, options?: ErrorOptions): AuthError {
  const name = printable(`docker-credential-${helper}`.slice(0, 100))
  return new AuthError(`the credential helper ${name} for ${printable(key)} ${problem}`, options)
}
