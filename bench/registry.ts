import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { findProgram } from './find-program.ts'

/** A registry process of the bench's own, on loopback. */
export interface BenchRegistry {
  /** As in a reference: 127.0.0.1:PORT. */
  readonly host: string
  /** How many requests it has answered, from its access log; the harness's own are not among them. */
  requests(): Promise<number>
  /** Ends the process and removes what it stored. */
  close(): Promise<void>
}

/** What the harness calls itself, so that its own requests can be told from a contestant's. */
export const harnessAgent = 'copygraph-bench'

const programs = ['registry', 'docker-registry']
const startMilliseconds = 10_000
const pollMilliseconds = 5

/** The registry program that is used: distribution v3 where it is installed, else Debian's docker-registry. */
export function registryProgram(): string {
  const found = programs.map(findProgram).find((path) => path !== undefined)
  if (found === undefined) throw new Error(`the bench needs a registry on PATH: ${programs.join(' or ')}`)
  return found
}

/** How many lines of an access log tell of a request that was not the harness's own. */
export function contestantRequests(log: string): number {
  return log.split('\n').filter((line) => /" \d{3} \d+ "/.test(line) && !line.includes(harnessAgent)).length
}

/** Starts an empty registry that stores under a folder which must not exist yet. */
export async function startRegistry(directory: string, signal: AbortSignal): Promise<BenchRegistry> {
  signal.throwIfAborted()
  await mkdir(directory)
  const port = await freePort()
  const host = `127.0.0.1:${port}`
  const configuration = join(directory, 'config.yml')
  await writeFile(configuration, JSON.stringify(settings(host, join(directory, 'data'))))
  const logPath = join(directory, 'log')
  const log = await open(logPath, 'a')
  const child = spawn(registryProgram(), ['serve', configuration], {
    stdio: ['ignore', log.fd, log.fd],
    env: { ...process.env, OTEL_TRACES_EXPORTER: 'none' },
  })
  const close = async (): Promise<void> => {
    await stop(child)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await once(child, 'spawn')
    await ready(host, child, signal)
  } catch (error) {
    await close()
    throw error
  } finally {
    await log.close()
  }
  return { host, requests: () => countRequests(host, logPath), close }
}

function settings(addr: string, rootdirectory: string): unknown {
  return {
    version: '0.1',
    log: { level: 'error', accesslog: { disabled: false } },
    storage: {
      filesystem: { rootdirectory, maxthreads: 100 },
      maintenance: { uploadpurging: { enabled: false } },
    },
    http: { addr, relativeurls: true },
  }
}

/** The registries take a port from their configuration and log none at this level, hence not port 0. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port on 127.0.0.1')
  return address.port
}

async function ready(host: string, child: ChildProcess, signal: AbortSignal): Promise<void> {
  const end = performance.now() + startMilliseconds
  for (;;) {
    if (hasEnded(child)) throw new Error(`the registry for ${host} ended before it answered`)
    if (await answers(host, signal)) return
    if (performance.now() > end) throw new Error(`the registry for ${host} does not answer`)
    await delay(pollMilliseconds, undefined, { signal })
  }
}

async function answers(host: string, signal: AbortSignal): Promise<boolean> {
  try {
    const response = await request(`http://${host}/v2/`, { headers: { 'user-agent': harnessAgent }, signal })
    await response.body.dump()
    return response.statusCode === 200
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') return false
    throw error
  }
}

/**
 * A line is written after its response. A request of our own therefore closes the count: once its line stands
 * in the log, so do those of all requests that were answered before.
 */
async function countRequests(host: string, logPath: string): Promise<number> {
  const mark = `mark-${process.hrtime.bigint()}`
  const headers = { 'user-agent': `${harnessAgent} ${mark}` }
  await (await request(`http://${host}/v2/`, { headers })).body.dump()
  const end = performance.now() + startMilliseconds
  for (;;) {
    const log = await readFile(logPath, 'utf8')
    if (log.includes(mark)) return contestantRequests(log)
    if (performance.now() > end) throw new Error(`the registry at ${host} writes no access log`)
    await delay(pollMilliseconds)
  }
}

async function stop(child: ChildProcess): Promise<void> {
  if (hasEnded(child)) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

function hasEnded(child: ChildProcess): boolean {
  return child.pid === undefined || child.exitCode !== null || child.signalCode !== null
}
