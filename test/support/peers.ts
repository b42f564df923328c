import { execFile, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'vitest'
import { findProgram } from '../../bench/find-program.ts'

/**
 * A foreign program that tests are run with, by its name on PATH. `built` is our own command as `npm run build` leaves
 * it, `sample` the image that COPYGRAPH_SAMPLE names, `unshare` the right to mount as well.
 */
export type Peer =
  | 'built'
  | 'cosign'
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
      if (child.pid === undefined) reject(new Error(`${binary} cannot be started`, { cause: error }))
      else resolve({ code: child.exitCode ?? 124, stdout, stderr })
    })
    child.stdin?.end()
  })
}

function hasPeer(peer: Peer): boolean {
  if (peer === 'built') return existsSync(new URL('../../dist/cli/main.js', import.meta.url))
  if (peer === 'sample') return existsSync(join(process.env['COPYGRAPH_SAMPLE'] ?? '', 'oci-layout'))
  if (peer === 'unshare') {
    const mount = ['--mount', 'mount', '-t', 'tmpfs', 'tmpfs', tmpdir()]
    return spawnSync('unshare', mount).status === 0
  }
  return findProgram(peer) !== undefined
}

function peerName(peer: Peer): string {
  if (peer === 'built') return 'npm run build'
  return peer === 'sample' ? 'COPYGRAPH_SAMPLE' : peer
}
