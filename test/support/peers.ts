import { execFile, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, it } from 'vitest'

/**
 * A foreign program that tests are run with, by its name on PATH. `sample` is the image that COPYGRAPH_SAMPLE names,
 * `unshare` the right to mount as well.
 */
export type Peer =
  | 'crane'
  | 'docker-registry'
  | 'ggcrserve'
  | 'htpasswd'
  | 'orascopy'
  | 'regctl'
  | 'registry'
  | 'sample'
  | 'skopeo'
  | 'umoci'
  | 'unshare'

/**
 * A `describe` for tests that need peers. Where some are missing its tests are skipped, and one line says so;
 * with COPYGRAPH_PEERS=required a missing peer is a failure.
 */
export function describePeers(peers: readonly Peer[], title: string, body: () => void): void {
  const missing = peers.filter((peer) => !hasPeer(peer)).map(peerName)
  if (missing.length === 0) {
    describe(title, body)
  } else if (process.env['COPYGRAPH_PEERS'] === 'required') {
    describe(title, () => {
      it('finds its peers', () => {
        throw new Error(`missing: ${missing.join(', ')}`)
      })
    })
  } else {
    console.warn(`LEFT OUT: ${title} (missing: ${missing.join(', ')})`)
    describe.skip(title, body)
  }
}

/** The OCI layout with real images that COPYGRAPH_SAMPLE names; a RangeError without it. */
export function samplePath(): string {
  const path = process.env['COPYGRAPH_SAMPLE'] ?? ''
  if (path === '') throw new RangeError('COPYGRAPH_SAMPLE is not set')
  return path
}

/** How a program ended: with which code (124 for one that was killed after its time), and what it printed. */
export interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface RunOptions {
  /** Added to the environment of the tests. */
  readonly environment?: Readonly<Record<string, string>> | undefined
  /** @default 60 seconds */
  readonly timeoutMilliseconds?: number | undefined
}

/** Runs a program to its end; any exit code is a result. Rejects only if it cannot be started. */
export function run(
  binary: string,
  args: readonly string[],
  { environment = {}, timeoutMilliseconds = 60_000 }: RunOptions = {},
): Promise<RunResult> {
  const settings = {
    env: { ...process.env, ...environment },
    killSignal: 'SIGKILL',
    maxBuffer: 64 * 1024 * 1024,
    timeout: timeoutMilliseconds,
  } as const
  return new Promise((resolve, reject) => {
    const child = execFile(binary, args, settings, (error, stdout, stderr) => {
      if (error !== null && child.pid === undefined) reject(error)
      else resolve({ code: child.exitCode ?? 124, stdout, stderr })
    })
    child.stdin?.end()
  })
}

/** A foreign registry on a loopback port of its own. */
export interface PeerRegistry {
  /** As in a reference: 127.0.0.1:PORT. */
  readonly host: string
  readonly url: string
  /** Ends the process and removes what it stored. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export interface PeerRegistryOptions {
  /** Whom it lets in, by Basic authentication. @default everybody */
  readonly user?: { readonly username: string; readonly password: string } | undefined
  /** Answers with Location headers that are paths. @default false */
  readonly relativeUrls?: boolean | undefined
}

/** Debian's docker-registry: distribution 2.8. */
export function startDockerRegistry(options?: PeerRegistryOptions): Promise<PeerRegistry> {
  return startDistributionOf('docker-registry', options)
}

/** distribution v3. */
export function startDistribution(options?: PeerRegistryOptions): Promise<PeerRegistry> {
  return startDistributionOf('registry', options)
}

/** go-containerregistry's registry, with the referrers API, in memory. */
export async function startGgcrRegistry(): Promise<PeerRegistry> {
  return startRegistry('ggcrserve', [], await newDirectory())
}

async function startDistributionOf(
  binary: 'docker-registry' | 'registry',
  { user, relativeUrls = false }: PeerRegistryOptions = {},
): Promise<PeerRegistry> {
  const directory = await newDirectory()
  const passwords = join(directory, 'htpasswd')
  if (user !== undefined) {
    const { stdout } = await run('htpasswd', ['-Bbn', user.username, user.password])
    await writeFile(passwords, stdout)
  }
  const settings = {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(directory, 'data') },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: '127.0.0.1:0', relativeurls: relativeUrls },
    ...(user !== undefined && { auth: { htpasswd: { realm: 'peer', path: passwords } } }),
  }
  const file = join(directory, 'config.yml')
  await writeFile(file, JSON.stringify(settings))
  return startRegistry(binary, ['serve', file], directory)
}

const startMilliseconds = 20_000
const address = /\b127\.0\.0\.1:[1-9]\d*\b/

async function startRegistry(
  binary: Peer,
  args: readonly string[],
  directory: string,
): Promise<PeerRegistry> {
  const environment = { ...process.env, OTEL_TRACES_EXPORTER: 'none' }
  const child = spawn(binary, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const close = async (): Promise<void> => {
    await ended(child)
    process.removeListener('exit', kill)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    const host = await listening(child, binary)
    return { host, url: `http://${host}`, close, [Symbol.asyncDispose]: close }
  } catch (error) {
    await close()
    throw error
  }
}

/** The address that a registry prints when it accepts connections; its later output is read and dropped. */
function listening(child: ChildProcess, binary: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const printed: string[] = []
    const fail = (why: string, cause?: unknown): void => {
      reject(new Error(`${binary} ${why}: ${printed.slice(-5).join('\n')}`, { cause }))
    }
    const timer = setTimeout(() => fail('did not say where it listens'), startMilliseconds)
    child.once('error', (error) => fail('could not be started', error))
    child.once('exit', (code) => fail(`ended with ${code}`))
    child.once('close', () => clearTimeout(timer))
    for (const stream of [child.stdout, child.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', (line) => {
        if (printed.length < 50) printed.push(line)
        const [host] = address.exec(line) ?? []
        if (host === undefined) return
        clearTimeout(timer)
        resolve(host)
      })
    }
  })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  const { promise, resolve } = Promise.withResolvers<void>()
  child.once('exit', () => resolve())
  child.kill('SIGKILL')
  await promise
}

function newDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'copygraph-peer-'))
}

function hasPeer(peer: Peer): boolean {
  if (peer === 'sample') return existsSync(join(process.env['COPYGRAPH_SAMPLE'] ?? '', 'oci-layout'))
  if (peer === 'unshare') {
    const mount = ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()]
    return spawnSync('unshare', mount).status === 0
  }
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.some((folder) => existsSync(join(folder, peer)))
}

function peerName(peer: Peer): string {
  return peer === 'sample' ? 'COPYGRAPH_SAMPLE' : peer
}
