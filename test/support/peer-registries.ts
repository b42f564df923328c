import { spawn, type ChildProcess } from 'node:child_process'
import { writeFile, type DisposableTempDir } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { newFolder } from './folder.ts'
import { run, type Peer } from './peers.ts'
import type { TokenAuthority } from './jwt-token-service.ts'

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
  /** Whose tokens it wants instead of a password. distribution v3 alone. @default it wants none */
  readonly tokens?: TokenAuthority | undefined
  /** Speaks HTTPS with these files in PEM; with `clientCa` to none but those who have a certificate of that CA. */
  readonly tls?:
    { readonly cert: string; readonly key: string; readonly clientCa?: string | undefined } | undefined
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
  options: PeerRegistryOptions = {},
): Promise<PeerRegistry> {
  const folder = await newFolder()
  const settings = {
    version: '0.1',
    log: { level: 'info', accesslog: { disabled: true } },
    storage: {
      filesystem: { rootdirectory: join(folder.path, 'data') },
      delete: { enabled: true },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr: '127.0.0.1:0', ...(await httpSettings(folder.path, options)) },
    ...(await authSettings(folder.path, options)),
  }
  const file = join(folder.path, 'config.yml')
  await writeFile(file, JSON.stringify(settings))
  return startRegistry(binary, ['serve', file], folder, options.tls === undefined ? 'http' : 'https')
}

async function httpSettings(
  folder: string,
  { tls, relativeUrls: relativeurls = false }: PeerRegistryOptions,
): Promise<object> {
  if (tls === undefined) return { relativeurls }
  const write = async (name: string, pem: string): Promise<string> => {
    const file = join(folder, name)
    await writeFile(file, pem)
    return file
  }
  const { cert, key, clientCa } = tls
  const clients = clientCa !== undefined && { clientcas: [await write('client-ca.pem', clientCa)] }
  const files = { certificate: await write('cert.pem', cert), key: await write('key.pem', key), ...clients }
  return { relativeurls, tls: files }
}

async function authSettings(folder: string, { user, tokens }: PeerRegistryOptions): Promise<object> {
  if (user !== undefined) {
    const path = join(folder, 'htpasswd')
    const { stdout } = await run('htpasswd', ['-Bbn', user.username, user.password])
    await writeFile(path, stdout)
    return { auth: { htpasswd: { realm: 'peer', path } } }
  }
  if (tokens === undefined) return {}
  const { realm, service, issuer } = tokens
  const jwks = join(folder, 'jwks.json')
  await writeFile(jwks, JSON.stringify({ keys: [tokens.key] }))
  return { auth: { token: { realm, service, issuer, jwks } } }
}

const startMilliseconds = 20_000
const address = /\b127\.0\.0\.1:[1-9]\d*\b/

async function startRegistry(
  binary: Peer,
  args: readonly string[],
  folder: DisposableTempDir,
  scheme: 'http' | 'https' = 'http',
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
    return { host, url: `${scheme}://${host}`, close, [Symbol.asyncDispose]: close }
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
