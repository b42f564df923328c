import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { expect, onTestFinished } from 'vitest'
import { Pool } from 'undici'
import type { Descriptor } from '../../src/content/descriptor.ts'
import { digestOf, type DigestAlgorithm } from '../../src/content/digest.ts'
import { serve, type RunningRegistry, type ServeOptions } from '../../src/server/serve.ts'
import { memoryStore, type RegistryStore } from '../../src/server/store.ts'
import { newFolder } from '../support/folder.ts'
import type { TestGraph } from '../support/graph.ts'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface CallOptions {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array>
}

/** One request to a registry over a socket. */
export type Call = (method: string, path: string, options?: CallOptions) => Promise<Reply>

/** Serves a store on loopback until the test is over. */
export async function startRegistry(
  options: ServeOptions = {},
  store: RegistryStore = memoryStore(),
): Promise<{ registry: RunningRegistry; call: Call }> {
  const registry = await serve(store, options)
  onTestFinished(() => registry.close())
  const call = caller(registry.url)
  return { registry, call }
}

export function caller(url: string): Call {
  const pool = new Pool(url)
  onTestFinished(() => pool.destroy())
  return async (method, path, { headers = {}, body = null } = {}) => {
    // The path goes out as it is: a URL would lose its dots.
    const response = await pool.request({ method, path, headers, body: toBody(body) })
    const flat = Object.entries(response.headers).map(([name, value]) => [name, String(value)])
    return {
      status: response.statusCode,
      headers: Object.fromEntries(flat),
      body: Buffer.from(await response.body.arrayBuffer()),
    }
  }
}

function toBody(body: CallOptions['body'] | null): string | Uint8Array | Readable | null {
  if (body === null || body === undefined || typeof body === 'string' || body instanceof Uint8Array)
    return body ?? null
  return Readable.from(body)
}

export function json(reply: Reply): unknown {
  return JSON.parse(reply.body.toString())
}

/** The codes of a reply in the spec's error format. */
export function errorCodes(reply: Reply): unknown[] {
  const { errors }: { errors: { code: string }[] } = JSON.parse(reply.body.toString())
  return errors.map(({ code }) => code)
}

export interface TestBlob {
  readonly bytes: Buffer
  readonly digest: string
}

export function blob(size = 1000, algorithm: DigestAlgorithm = 'sha256'): TestBlob {
  return blobOf(randomBytes(size), algorithm)
}

export function blobOf(content: string | Buffer, algorithm: DigestAlgorithm = 'sha256'): TestBlob {
  const bytes = Buffer.from(content)
  return { bytes, digest: digestOf(bytes, algorithm) }
}

export function descriptorOf({ bytes, digest }: TestBlob): Descriptor {
  return { mediaType: 'application/octet-stream', digest, size: bytes.length }
}

/** Begins an upload and returns its location. */
export async function beginUpload(call: Call, name: string): Promise<string> {
  const begun = await call('POST', `/v2/${name}/blobs/uploads/`)
  return begun.headers.location ?? ''
}

export async function pushBlob(call: Call, name: string, { bytes, digest }: TestBlob): Promise<Reply> {
  return call('POST', `/v2/${name}/blobs/uploads/?digest=${digest}`, { body: bytes })
}

export async function pushManifest(
  call: Call,
  path: string,
  { bytes, descriptor }: ReturnType<TestGraph['node']>,
): Promise<Reply> {
  return call('PUT', path, { headers: { 'content-type': descriptor.mediaType }, body: bytes })
}

/** Pushes the nodes of a graph by digest, successors first, and tags the last of them. */
export async function pushGraph(call: Call, name: string, graph: TestGraph, tag?: string): Promise<void> {
  for (const [index, node] of graph.names.entries()) {
    const { descriptor, bytes } = graph.node(node)
    const isManifest = descriptor.mediaType.includes('manifest') || descriptor.mediaType.includes('index')
    const isTagged = index === graph.names.length - 1 && tag !== undefined
    const reply = isManifest
      ? await pushManifest(
          call,
          `/v2/${name}/manifests/${isTagged ? tag : descriptor.digest}`,
          graph.node(node),
        )
      : await pushBlob(call, name, { bytes: Buffer.from(bytes), digest: descriptor.digest })
    if (reply.status !== 201) throw new Error(`${node}: ${reply.status} ${reply.body.toString()}`)
  }
}

/** Every file and folder below a folder. */
export async function everythingIn(folder: string): Promise<string[]> {
  return readdir(folder, { recursive: true })
}

/** A folder that is removed when the test is over. */
export async function temporaryFolder(): Promise<string> {
  const folder = await newFolder()
  onTestFinished(() => folder.remove())
  return folder.path
}

/** A store in memory whose unfinished uploads are in a folder that a test can look into. */
export async function spoolingStore(): Promise<{ store: RegistryStore; folder: string }> {
  const folder = await temporaryFolder()
  return { store: { ...memoryStore(), spoolDirectory: folder }, folder }
}

export async function expectBlob(call: Call, name: string, { digest, bytes }: TestBlob): Promise<void> {
  const reply = await call('GET', `/v2/${name}/blobs/${digest}`)
  expect(reply.status).toBe(200)
  expect(reply.body.equals(bytes)).toBe(true)
}

export async function* chunksOf(bytes: Buffer, size = 100): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
