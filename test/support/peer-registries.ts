import { spawn, type ChildProcess } from 'node:child_process'
import { writeFile, type DisposableTempDir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { newFolder } from './folder.ts'
import { run, type Peer } from './peers.ts'

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
  return startRegistry('ggcrserve', [], await newFolder())
}

async function startDistributionOf(
  binary: 'docker-registry' | 'registry',
  { user, relativeUrls = false }: PeerRegistryOptions = {},
): Promise<PeerRegistry> {
  const folder = await newFolder()
  const passwords = join(folder.path, 'htpasswd')
  if (user !== undefined) {
    const { stdout } = await run('htpasswd', ['-Bbn', user.username, user.password])
    await writeFile(passwords, stdout)
  }
  const settings = {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(folder.path, 'data') },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: '127.0.0.1:0', relativeurls: relativeUrls },
    ...(user !== undefined && { auth: { htpasswd: { realm: 'peer', path: passwords } } }),
  }
  const file = join(folder.path, 'config.yml')
  await writeFile(file, JSON.stringify(settings))
  return startRegistry(binary, ['serve', file], folder)
}

const startMilliseconds = 20_000
const address = /\b127\.0\.0\.1:[1-9]\d*\b/

async function startRegistry(
  binary: Peer,
  args: readonly string[],
  folder: DisposableTempDir,
): Promise<PeerRegistry> {
  const environment = { ...process.env, OTEL_TRACES_EXPORTER: 'none' }
  const child = spawn(binary, args, { env: environment, stdio: ['ignore', 'pipe', 'pipe'] })
  const kill = (): void => void child.kill('SIGKILL')
  process.once('exit', kill)
  const close = async (): Promise<void> => {
    await ended(child)
    process.removeListener('exit', kill)
    await folder.remove()
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
