import { onTestFinished } from 'vitest'
import { request } from 'undici'
import {
  startFaultyRegistry,
  type FaultyRegistry,
  type FaultyRegistryOptions,
  type Profile,
} from '../../src/testing/testing.ts'
import {
  caller,
  json,
  pushBlob,
  pushManifest,
  type Call,
  type CallOptions,
  type TestBlob,
} from '../server/harness.ts'
import { graph, type TestGraph } from '../support/graph.ts'

/** A client as one writes it in an afternoon: it logs in, and believes in the specification for the rest. */
export interface Stage {
  readonly registry: FaultyRegistry
  /** Without a login. */
  readonly anonymous: Call
  /** Logs in after a 401, with one token for one request. */
  readonly call: Call
  /** Around the faults. */
  readonly behind: Call
}

export const login: string = `Basic ${Buffer.from('tester:password').toString('base64')}`

export async function play(profile: Profile, options: FaultyRegistryOptions = {}): Promise<Stage> {
  const registry = await startFaultyRegistry({ profile, ...options })
  onTestFinished(() => registry.close())
  const anonymous = caller(registry.url)
  const call: Call = async (method, path, callOptions = {}) => {
    const first = await anonymous(method, path, callOptions)
    if (first.status !== 401) return first
    const authorization = await authorize(first.headers['www-authenticate'] ?? '', login)
    return anonymous(method, path, withHeader(callOptions, { authorization }))
  }
  return { registry, anonymous, call, behind: caller(registry.withoutFaults) }
}

/** What a challenge wants to see. */
export async function authorize(challenge: string, basic?: string): Promise<string> {
  if (!challenge.startsWith('Bearer')) return basic ?? ''
  const parameter = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(challenge)?.[1] ?? ''
  const url = new URL(parameter('realm'))
  url.searchParams.set('service', parameter('service'))
  if (parameter('scope') !== '') url.searchParams.set('scope', parameter('scope'))
  const { body } = await request(url, { headers: basic === undefined ? {} : { authorization: basic } })
  const document = (await body.json()) as { token?: string; access_token?: string }
  return `Bearer ${document.token ?? document.access_token}`
}

/** Follows a redirect, with all headers. */
export async function follow(location: string, headers: Record<string, string>): Promise<number> {
  const { statusCode, body } = await request(location, { headers })
  await body.dump()
  return statusCode
}

function withHeader(options: CallOptions, headers: Record<string, string>): CallOptions {
  return { ...options, headers: { ...options.headers, ...headers } }
}

/** An image with a tag, and a signature that refers to it. */
export const image: TestGraph = graph({
  image: ['config', 'layer'],
  signature: { children: ['empty', 'payload'], subject: 'image', artifactType: 'application/x-signature' },
})

/** Puts the image into a repository, around the faults. */
export async function seed({ behind }: Pick<Stage, 'behind'>, name = 'library/app'): Promise<void> {
  for (const node of image.names) {
    const { descriptor, bytes } = image.node(node)
    if (node === 'image' || node === 'signature') {
      await pushManifest(
        behind,
        `/v2/${name}/manifests/${node === 'image' ? 'v1' : descriptor.digest}`,
        image.node(node),
      )
    } else {
      await pushBlob(behind, name, { bytes: Buffer.from(bytes), digest: descriptor.digest })
    }
  }
}

/** Tags the image so many times, from `t000` on. */
export async function tagOften({ behind }: Pick<Stage, 'behind'>, count: number): Promise<void> {
  for (let index = 0; index < count; index++) {
    await pushManifest(
      behind,
      `/v2/library/app/manifests/t${String(index).padStart(3, '0')}`,
      image.node('image'),
    )
  }
}

/** The place of an upload that was begun. */
export async function begin(call: Call, name = 'library/app'): Promise<string> {
  const { headers } = await call('POST', `/v2/${name}/blobs/uploads/`)
  return headers['location'] ?? ''
}

export function digestQuery(location: string, { digest }: TestBlob): string {
  return `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`
}

export function tagsOf(reply: Awaited<ReturnType<Call>>): unknown {
  return (json(reply) as { tags: unknown }).tags
}
