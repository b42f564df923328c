import { describe, expect, it } from 'vitest'
import { contentOf } from '../../src/content/content.ts'
import type { CopyEvent, SignalOptions } from '../../src/events.ts'
import { Registry } from '../../src/targets/remote/registry.ts'
import { Repository, type RepositoryOptions } from '../../src/targets/remote/repository.ts'
import { answerWith, changeHeaders, redirectTo } from '../../src/testing/answers.ts'
import type { Fault } from '../../src/testing/fault.ts'
import { on } from '../../src/testing/match.ts'
import { graph } from '../support/graph.ts'
import { blob, read } from '../targets/contract/support.ts'
import {
  canaries,
  heardBy,
  outcomeOf,
  plants,
  secretsIn,
  startWorld,
  toldBy,
  type WorldOptions,
} from './canaries.ts'

const layer = Buffer.from('ten bytes!')
const image = graph({
  layer: { kind: 'blob', bytes: layer },
  m1: ['config', 'layer'],
  signature: { children: ['config'], subject: 'm1', artifactType: 'application/x-signature' },
})
const signed = `/blob?X-Signature=${canaries.signature}&scope=a`

const other = Buffer.from('another blob')
const foreignLayer = 'application/vnd.oci.image.layer.nondistributable.v1.tar'

/** What a flow works with. */
interface Work {
  readonly repository: Repository
  readonly registry: Registry
  readonly options: SignalOptions
  readonly sink: string
}

/** What somebody does with a registry, and how it ends. */
interface Flow extends WorldOptions {
  readonly act: (work: Work) => Promise<unknown>
  readonly settings?: RepositoryOptions
  /** @default 'well' */
  readonly outcome?: string
  /** What the other origin is asked. @default nothing */
  readonly sinkLines?: readonly string[]
  /** Whether only a plant for a token service can come to it. @default false */
  readonly needsTokens?: boolean
}

const readLayer: Flow['act'] = ({ repository, options }) => read(repository.fetch(blob(layer), options))
const pushOther: Flow['act'] = ({ repository, options }) =>
  repository.push(blob(other), contentOf(other), options)
const listTags: Flow['act'] = ({ repository, options }) => Array.fromAsync(repository.tags(options))

const blobsAt =
  (path: string) =>
  (sink: string): readonly Fault[] => [on({ method: 'GET', endpoint: 'blob' }, redirectTo(`${sink}${path}`))]

/** Says all that it was shown, in the middle of a long text and at its end. */
const echo: Fault = async ({ headers: { authorization = '' } }) => {
  const plain = Buffer.from(authorization.replace(/^\w+ /, ''), 'base64').toString()
  const message = `${'x'.repeat(270)} ${authorization} (${plain}) ${authorization}`
  return jsonAnswer(418, {
    errors: [
      { code: authorization, message },
      { code: 'DENIED', message: plain },
    ],
  })
}

function jsonAnswer(status: number, document: unknown): Awaited<ReturnType<Fault>> {
  const body = Buffer.from(JSON.stringify(document))
  const headers = { 'content-type': 'application/json', 'content-length': `${body.length}` }
  return { status, headers, body: contentOf(body) }
}

const whole = { singlePostBytes: 0 } as const

const ordinary: Readonly<Record<string, Flow>> = {
  'a login': { act: ({ registry, options }) => registry.ping(options) },
  'a pull': {
    act: async (work) => {
      await work.repository.fetchReference('v1', work.options)
      await readLayer(work)
    },
  },
  'a push in one request': { act: pushOther },
  'a push in one PUT': { act: pushOther, settings: whole },
  'a push in chunks': { act: pushOther, settings: { ...whole, chunkBytes: 5 } },
  'a push of unknown digest': {
    act: ({ repository, options }) => repository.ingest(contentOf(other), 'text/plain', options),
  },
  'a mount': {
    act: ({ registry, options }) =>
      registry.repository('copy').push(blob(layer), contentOf(layer), { ...options, mountFrom: ['app'] }),
  },
  'a mount that is refused': {
    act: ({ registry, options }) =>
      registry.repository('copy').push(blob(layer), contentOf(layer), { ...options, mountFrom: ['app'] }),
    faults: () => [on({ method: 'POST', when: ({ query }) => query.has('mount') }, answerWith(403))],
  },
  'a list of referrers': {
    act: ({ repository, options }) => Array.fromAsync(repository.referrers(image.descriptor('m1'), options)),
  },
  'a list of tags in pages': { act: listTags, settings: { tagPageSize: 1 } },
  'the catalog': { act: ({ registry, options }) => Array.fromAsync(registry.repositories(options)) },
  'a deletion': {
    act: async ({ repository, options }) => {
      await repository.untag('v2', options)
      await repository.delete(image.descriptor('signature'), options)
    },
  },
}

const hostile: Readonly<Record<string, Flow>> = {
  'a redirect to signed storage': {
    act: readLayer,
    faults: blobsAt(signed),
    sink: () => ({ status: 200, body: layer }),
    sinkLines: [`GET ${signed}`],
  },
  'a redirect to storage that asks for a login': {
    act: readLayer,
    faults: blobsAt(signed),
    sink: ({ url, headers }) => ({
      status: 401,
      headers: { 'www-authenticate': ['Basic realm="a"', `Bearer realm="http://${headers.host}/token"`] },
      body: JSON.stringify({ errors: [{ code: 'DENIED', message: `no ${url}` }] }),
    }),
    outcome: 'AUTH',
    sinkLines: [`GET ${signed}`],
  },
  'a redirect that comes back': {
    act: readLayer,
    faults: blobsAt(signed),
    sink: (_request, registry) => ({ status: 307, headers: { location: `${registry}/v2/app/blobs/back` } }),
    outcome: 'AUTH',
    sinkLines: [`GET ${signed}`],
  },
  'a redirect to storage that cannot be reached': {
    act: readLayer,
    faults: () => [on({ endpoint: 'blob' }, redirectTo(`http://127.0.0.1:1${signed}`))],
    outcome: 'UNREACHABLE',
  },
  'a redirect to storage that breaks off': {
    act: readLayer,
    faults: blobsAt(signed),
    sink: () => ({ status: 200, headers: { 'content-length': '10', connection: 'close' }, body: 'ten' }),
    outcome: 'UNREACHABLE',
    sinkLines: [`GET ${signed}`],
  },
  'a realm elsewhere': {
    act: readLayer,
    realm: (sink) => `${sink}/token?X-Signature=${canaries.signature}`,
    outcome: 'AUTH',
    needsTokens: true,
  },
  'a realm that redirects elsewhere': {
    act: readLayer,
    token: (_request, sink) => ({ status: 308, headers: { location: sink } }),
    outcome: 'RESPONSE',
    needsTokens: true,
  },
  'a token service that repeats what it was shown': {
    act: readLayer,
    token: ({ headers: { authorization = '' }, body }) => {
      const plain = Buffer.from(authorization.slice('Basic '.length), 'base64').toString()
      const message = `not ${authorization} ${plain} ${body.toString()}`
      return { status: 400, body: JSON.stringify({ errors: [{ code: message, message }], error: message }) }
    },
    outcome: 'AUTH',
    needsTokens: true,
  },
  'a token service that refuses at once, and repeats the body that it was sent': {
    act: readLayer,
    token: ({ headers, body }) => ({
      status: 403,
      body: JSON.stringify({
        errors: [{ code: 'DENIED', message: `not ${body.toString()}${headers.authorization}` }],
      }),
    }),
    outcome: 'AUTH',
    needsTokens: true,
  },
  'a token service that answers with a broken token': {
    act: readLayer,
    token: () => ({ status: 200, body: `{"token":"${canaries.bearer}` }),
    outcome: 'AUTH',
    needsTokens: true,
  },
  'a layer that names another place for itself': {
    act: ({ repository, options, sink }) =>
      read(repository.fetch({ ...blob(other), mediaType: foreignLayer, urls: [`${sink}/layer`] }, options)),
    outcome: 'NOT_FOUND',
  },
  'an upload that is to go on elsewhere': {
    act: pushOther,
    settings: whole,
    faults: (sink) => [
      on({ method: 'POST' }, changeHeaders({ location: `${sink}/upload?X-Signature=${canaries.signature}` })),
    ],
    outcome: 'RESPONSE',
  },
  'an upload that is redirected': {
    act: pushOther,
    faults: (sink) => [on({ method: ['POST', 'PUT'] }, redirectTo(`${sink}/upload`, 308))],
    outcome: 'RESPONSE',
  },
  'a next page elsewhere': {
    act: listTags,
    faults: (sink) => [
      on(
        { endpoint: 'tags' },
        changeHeaders({ link: `<${sink}/?X-Signature=${canaries.signature}>; rel="next"` }),
      ),
    ],
    outcome: 'RESPONSE',
  },
  'a list of referrers that goes on elsewhere': {
    act: ({ repository, options }) => Array.fromAsync(repository.referrers(image.descriptor('m1'), options)),
    faults: (sink) => [on({ endpoint: 'referrers' }, changeHeaders({ link: `<${sink}/>; rel="next"` }))],
    outcome: 'RESPONSE',
  },
  'an error that repeats what it was shown, to a reader': {
    act: readLayer,
    faults: () => [on({ endpoint: 'blob' }, echo)],
    outcome: 'RESPONSE',
  },
  'an error that repeats what it was shown, to a writer': {
    act: pushOther,
    faults: () => [on({ method: ['POST', 'PUT'] }, echo)],
    outcome: 'RESPONSE',
  },
}

const cases = Object.entries({ ...ordinary, ...hostile }).flatMap(([flowName, flow]) =>
  Object.entries(plants)
    .filter(([, plant]) => flow.needsTokens !== true || plant.usesTokens)
    .map(([plantName, plant]) => ({ flowName, flow, plantName, plant })),
)

describe('no secret is seen elsewhere, told or thrown', () => {
  it.each(cases)('in $flowName, with $plantName', async ({ flow, plant }) => {
    const { act, settings, outcome = 'well', sinkLines = [] } = flow
    await using world = await startWorld(plant, flow)
    await using prepared = new Repository(`${new URL(world.registry.withoutFaults).host}/app`)
    await image.pushTo(prepared)
    await prepared.tag(image.descriptor('m1'), 'v1')
    await prepared.tag(image.descriptor('m1'), 'v2')
    const events: CopyEvent[] = []
    await using registry = new Registry(world.registry.host, {
      retry: { attempts: 1 },
      ...plant.options,
      trustedRealms: [world.tokens.host],
      ...settings,
    })
    const work = {
      sink: world.sink.url,
      registry,
      repository: registry.repository('app'),
      options: { onEvent: (event: CopyEvent) => events.push(event) },
    }
    const error = await act(work).then(
      () => undefined,
      (thrown: unknown) => thrown,
    )
    expect(outcomeOf(error)).toBe(outcome)
    expect(events.length).toBeGreaterThan(0)
    expect(secretsIn(toldBy(events, error))).toEqual([])
    expect(world.sink.lines).toEqual(sinkLines)
    const allowed = sinkLines.length > 0 ? [canaries.signature] : []
    expect(secretsIn(heardBy(world.sink))).toEqual(allowed)
    expect(JSON.stringify(world.registry.requests)).not.toContain(canaries.cookie)
    // The flow came to where the secret belongs, or was refused before.
    const [header, value] = plant.wanted
    const shown = world.registry.requests.some(({ headers }) => headers[header] === value)
    expect(shown).toBe(plant.usesTokens ? !flow.needsTokens : true)
  })
})
