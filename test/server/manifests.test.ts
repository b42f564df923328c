import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import { digestOf } from '../../src/content/digest.ts'
import { mediaTypes } from '../../src/content/media-types.ts'
import { memoryStore, targetStore } from '../../src/server/store.ts'
import { MemoryTarget } from '../../src/targets/memory.ts'
import { bundleMediaType, graph, ownTypes, type TestNode } from '../support/graph.ts'
import {
  blob,
  errorCodes,
  json,
  pushBlob,
  pushGraph,
  pushManifest,
  startRegistry,
  type Call,
} from './harness.ts'

/** image → config, layer */
const image = graph({ image: ['config', 'layer'] })

function documentNode(document: unknown, mediaType: string = mediaTypes.ociManifest): TestNode {
  const bytes = Buffer.from(typeof document === 'string' ? document : JSON.stringify(document))
  return { bytes, descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length } }
}

async function expectStored(call: Call, name: string, reference: string, { descriptor, bytes }: TestNode) {
  const reply = await call('GET', `/v2/${name}/manifests/${reference}`)
  expect([reply.status, reply.headers['content-type']]).toEqual([200, descriptor.mediaType])
  expect(reply.body.equals(bytes)).toBe(true)
}

describe.each(['sha256', 'sha384', 'sha512'] as const)('a manifest with a digest of %s', (algorithm) => {
  const graphs = graph({ index: ['image'], image: ['config', 'layer'] }, algorithm)

  it('is pushed by digest', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', graphs)
    const { digest } = graphs.descriptor('index')
    const reply = await pushManifest(call, `/v2/x/manifests/${digest}`, graphs.node('index'))
    expect(reply.status).toBe(201)
    expect(reply.headers.location).toBe(`/v2/x/manifests/${digest}`)
    expect(reply.headers['docker-content-digest']).toBe(digest)
    expect(reply.headers['oci-subject']).toBeUndefined()
    await expectStored(call, 'x', digest, graphs.node('index'))
  })

  it('is pushed by tag, with the digest in the query', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', graphs)
    const { digest } = graphs.descriptor('image')
    const reply = await pushManifest(call, `/v2/x/manifests/v1?digest=${digest}`, graphs.node('image'))
    expect([reply.status, reply.headers['docker-content-digest']]).toEqual([201, digest])
    expect((await call('HEAD', '/v2/x/manifests/v1')).headers['docker-content-digest']).toBe(digest)
  })

  it('is pushed by digest, with its tags in the query', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', graphs)
    const { digest } = graphs.descriptor('image')
    const reply = await pushManifest(call, `/v2/x/manifests/${digest}?tag=a&tag=b`, graphs.node('image'))
    expect([reply.status, reply.headers['oci-tag']]).toEqual([201, 'a, b'])
    await expectStored(call, 'x', 'a', graphs.node('image'))
    await expectStored(call, 'x', 'b', graphs.node('image'))
  })
})

describe('a push of a manifest', () => {
  it('by tag moves the tag, and both manifests stay', async () => {
    const { call } = await startRegistry()
    const other = graph({ other: ['config2'] })
    await pushGraph(call, 'x', image, 'v1')
    await pushGraph(call, 'x', other, 'v1')
    await expectStored(call, 'x', 'v1', other.node('other'))
    await expectStored(call, 'x', image.descriptor('image').digest, image.node('image'))
  })

  it('by tag goes to the target in one call where it has one', async () => {
    const target = new MemoryTarget()
    const calls: string[] = []
    const pushReference = async (
      ...[descriptor, bytes, reference]: [TestNode['descriptor'], Uint8Array, string]
    ) => {
      calls.push(reference)
      await target.push(descriptor, contentOf(bytes))
      await target.tag(descriptor, reference)
    }
    const { call } = await startRegistry(
      {},
      targetStore(new Map([['x', Object.assign(target, { pushReference })]])),
    )
    await pushGraph(call, 'x', image, 'v1')
    expect(calls).toEqual(['v1'])
  })

  it('keeps every byte', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', image)
    const spaced = Buffer.from(`  ${Buffer.from(image.node('image').bytes).toString()}\n\n`)
    const node = documentNode(spaced.toString())
    expect((await pushManifest(call, '/v2/x/manifests/v1', node)).status).toBe(201)
    await expectStored(call, 'x', 'v1', node)
  })

  it.each(['docker', 'artifact'] as const)('of the kind %s is taken', async (kind) => {
    const { call } = await startRegistry()
    const foreign = graph({ root: { kind, children: ['config', 'layer'] } })
    await pushGraph(call, 'x', foreign, 'v1')
    await expectStored(call, 'x', 'v1', foreign.node('root'))
  })

  it('of a type of its own is taken by a store that declares it', async () => {
    const bundle = graph({ bundle: { kind: 'bundle', children: ['part'] } })
    const { call } = await startRegistry({}, memoryStore({ manifestTypes: ownTypes }))
    await pushGraph(call, 'x', bundle, 'v1')
    await expectStored(call, 'x', 'v1', bundle.node('bundle'))
    const { call: other } = await startRegistry()
    const refused = await pushManifest(other, '/v2/x/manifests/v1', bundle.node('bundle'))
    expect([refused.status, errorCodes(refused)]).toEqual([400, ['MANIFEST_INVALID']])
    expect(bundle.descriptor('bundle').mediaType).toBe(bundleMediaType)
  })

  it('may have no layers, unknown fields, and data in its descriptors', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', image)
    const config = { ...image.descriptor('config'), data: Buffer.from('config').toString('base64') }
    const node = documentNode({ schemaVersion: 2, config, layers: [], 'com.example.field': { deep: [1] } })
    expect((await pushManifest(call, '/v2/x/manifests/v1', node)).status).toBe(201)
    await expectStored(call, 'x', 'v1', node)
  })

  it('need not have its non-distributable layers', async () => {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', image)
    const layer = {
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
      digest: blob().digest,
      size: 5,
    }
    const node = documentNode({ schemaVersion: 2, config: image.descriptor('config'), layers: [layer] })
    expect((await pushManifest(call, '/v2/x/manifests/v1', node)).status).toBe(201)
  })

  it('with a subject says so, and the subject need not be there', async () => {
    const { call } = await startRegistry()
    const pair = graph({
      subject: ['config'],
      signature: { children: ['config', 'payload'], subject: 'subject' },
    })
    for (const name of ['config', 'payload']) {
      await pushBlob(call, 'x', { bytes: Buffer.from(name), digest: pair.descriptor(name).digest })
    }
    const reply = await pushManifest(call, '/v2/x/manifests/v1', pair.node('signature'))
    expect([reply.status, reply.headers['oci-subject']]).toEqual([201, pair.descriptor('subject').digest])
  })

  it('does not promise a list of referrers for a store that has none', async () => {
    const target = new MemoryTarget()
    const pair = graph({ subject: ['config'], signature: { children: ['config'], subject: 'subject' } })
    await pair.pushTo(target)
    const store = targetStore(new Map([['x', Object.assign(target, { referrers: undefined })]]))
    const { call } = await startRegistry({}, store)
    const reply = await pushManifest(call, '/v2/x/manifests/v1', pair.node('signature'))
    expect([reply.status, reply.headers['oci-subject']]).toEqual([201, undefined])
    expect((await call('GET', `/v2/x/referrers/${pair.descriptor('subject').digest}`)).status).toBe(404)
  })
})

describe('a manifest is refused', () => {
  async function expectRefused(
    node: TestNode,
    code: string,
    reference = 'v1',
    status = 400,
  ): Promise<Buffer> {
    const { call } = await startRegistry()
    await pushGraph(call, 'x', image)
    const reply = await pushManifest(call, `/v2/x/manifests/${reference}`, node)
    expect([reply.status, new Set(errorCodes(reply))]).toEqual([status, new Set([code])])
    expect(json(await call('GET', '/v2/x/tags/list'))).toEqual({ name: 'x', tags: [] })
    expect((await call('HEAD', `/v2/x/manifests/${node.descriptor.digest}`)).status).toBe(404)
    return reply.body
  }

  const { config, layers } = { config: image.descriptor('config'), layers: [image.descriptor('layer')] }
  const small = { schemaVersion: 2, config, layers: [] }

  it.each([
    ['that is no JSON', '{'],
    ['that is a list', '[]'],
    ['without a config', { schemaVersion: 2, layers }],
    ['that is an image and an index', { ...small, manifests: [] }],
    ['that calls itself something else', { ...small, mediaType: mediaTypes.ociIndex }],
    ['with a key twice', '{"schemaVersion":2,"config":{},"config":{}}'],
    ['with a malformed digest', { ...small, config: { ...config, digest: 'sha256:0' } }],
    [
      'with a size that no number can hold',
      JSON.stringify(small).replace('"size":6', '"size":99999999999999999999'),
    ],
    ['that is deep', `{"a":${'['.repeat(100)}${']'.repeat(100)}}`],
  ])('%s', async (_, document) => {
    await expectRefused(documentNode(document), 'MANIFEST_INVALID')
  })

  it('of an unknown media type', async () => {
    await expectRefused(documentNode(small, 'application/json'), 'MANIFEST_INVALID')
  })

  it('without a media type', async () => {
    await expectRefused(documentNode(small, ''), 'MANIFEST_INVALID')
  })

  it('whose content is not there, which is named', async () => {
    const missing = [1, 2].map((size) => ({ ...config, digest: blob().digest, size }))
    const body = await expectRefused(documentNode({ ...small, layers: missing }), 'MANIFEST_BLOB_UNKNOWN')
    const { errors }: { errors: { detail: { digest: string } }[] } = JSON.parse(body.toString())
    expect(errors.map(({ detail }) => detail.digest)).toEqual(missing.map(({ digest }) => digest))
  })

  it('whose child manifest is not there', async () => {
    const child = documentNode({ ...small, annotations: { a: 'b' } }).descriptor
    const index = documentNode({ schemaVersion: 2, manifests: [child] }, mediaTypes.ociIndex)
    await expectRefused(index, 'MANIFEST_BLOB_UNKNOWN')
  })

  it.each(['sha256:baddigeststring', blob().digest, `v1?digest=${blob().digest}`, 'v1?digest=nonsense'])(
    'under %s, which is not its digest',
    async (reference) => {
      await expectRefused(documentNode(small), 'DIGEST_INVALID', reference)
    },
  )

  it.each(['.v1', '-v1', 'a'.repeat(129), `${documentNode(small).descriptor.digest}?tag=.v1`])(
    'under %s, which is no tag',
    async (reference) => {
      await expectRefused(documentNode(small), 'MANIFEST_INVALID', reference)
    },
  )

  it('over the limit, with and without a Content-Length', async () => {
    const node = documentNode({ ...small, annotations: { a: 'a'.repeat(5 * 1024 * 1024) } })
    await expectRefused(node, 'MANIFEST_INVALID', 'v1', 413)
    const { call } = await startRegistry({ maxMetadataBytes: 100 })
    const body = (async function* () {
      yield Buffer.alloc(60)
      yield Buffer.alloc(60)
    })()
    const headers = { 'content-type': mediaTypes.ociManifest }
    expect((await call('PUT', '/v2/x/manifests/v1', { headers, body })).status).toBe(413)
  })
})
