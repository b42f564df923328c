import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { editConfig, type ConfigChanges } from '../../../src/copy/modifiers/edit-config.ts'
import { errorCode } from '../../../src/errors.ts'
import { graph, type TestGraph } from '../../support/graph.ts'
import { readJson } from '../../support/read-json.ts'
import { expectUnchanged, imageConfig, modify, readConfig } from './modify.ts'

const gzip = { mediaType: mediaTypes.ociLayerGzip, bytes: Buffer.from('layer') }

/** An image, and the same as Docker's, with a config. */
function imageWith(config: unknown): TestGraph {
  const bytes = Buffer.from(typeof config === 'string' ? config : JSON.stringify(config))
  return graph({
    root: ['config', 'layer'],
    docker: { kind: 'docker', children: ['config', 'layer'] },
    config: { bytes },
    layer: gzip,
  })
}

const drawing = imageWith(imageConfig)

async function edited(changes: ConfigChanges, config: unknown = imageConfig): ReturnType<typeof readJson> {
  const { root, destination } = await modify(imageWith(config), [editConfig(changes)])
  return readConfig(destination, root)
}

describe('editConfig', () => {
  it('sets what it names, and keeps every other field in its place', async () => {
    const changes: ConfigChanges = {
      user: '1000:1000',
      entrypoint: ['/new', 'entry'],
      cmd: ['run'],
      workingDir: '/srv',
      stopSignal: 'SIGINT',
      author: 'somebody else',
      created: '2024-05-06T07:08:09Z',
    }
    expect(await edited(changes)).toEqual({
      ...imageConfig,
      author: 'somebody else',
      created: '2024-05-06T07:08:09Z',
      config: {
        ...imageConfig.config,
        User: '1000:1000',
        Entrypoint: ['/new', 'entry'],
        Cmd: ['run'],
        WorkingDir: '/srv',
        StopSignal: 'SIGINT',
      },
    })
    const config = await edited(changes)
    expect(Object.keys(config)).toEqual(Object.keys(imageConfig))
  })

  it('merges labels and variables by name', async () => {
    const { config } = await edited({
      labels: { old: null, kept: 'still', new: 'label', missing: null },
      env: { LANG: 'C.UTF-8', EMPTY: null, NEW: 'a=b', missing: null },
    })
    expect(config.Labels).toEqual({ kept: 'still', new: 'label' })
    expect(config.Env).toEqual(['PATH=/bin', 'LANG=C.UTF-8', 'NEW=a=b'])
  })

  it('removes by null, and leaves nothing empty behind', async () => {
    const { author, created, config } = await edited({
      author: null,
      created: null,
      user: null,
      entrypoint: null,
      cmd: null,
      workingDir: null,
      labels: { kept: null, old: null },
      env: { PATH: null, LANG: null, EMPTY: null },
    })
    expect([author, created]).toEqual([undefined, undefined])
    expect(config).toEqual({ OnBuild: null, ArgsEscaped: true })
  })

  it('lets a variable that stood twice stand once', async () => {
    const twice = { ...imageConfig, config: { Env: ['A=1', 'B=2', 'A=3', 'A', 'AB=4'] } }
    expect((await edited({ env: { A: '5' } }, twice)).config.Env).toEqual(['A=5', 'B=2', 'AB=4'])
    expect((await edited({ env: { A: null } }, twice)).config.Env).toEqual(['B=2', 'AB=4'])
  })

  it('adds to the history only what is asked for', async () => {
    expect((await edited({ user: 'app' })).history).toEqual(imageConfig.history)
    expect((await edited({ user: 'app', history: 'USER app' })).history).toEqual([
      ...imageConfig.history,
      { created_by: 'USER app', empty_layer: true },
    ])
    const dated = await edited({ created: 1_700_000_000, history: 'none before' }, { os: 'linux' })
    expect(dated.history).toEqual([
      { created: '2023-11-14T22:13:20Z', created_by: 'none before', empty_layer: true },
    ])
  })

  it.each([
    { os: 'linux' },
    { os: 'linux', config: null },
    { os: 'linux', config: { Env: null, Labels: null } },
  ])('fills what %j has not, and removes nothing of it', async (config) => {
    const after = await edited({ user: 'app', env: { A: '1' }, labels: { b: '2' } }, config)
    expect(after).toEqual({ os: 'linux', config: { User: 'app', Env: ['A=1'], Labels: { b: '2' } } })
    const removal = editConfig({ user: null, env: { A: null }, labels: { b: null }, author: null })
    await expectUnchanged(imageWith(config), [removal])
  })

  it('keeps the bytes where everything is as it should be, however they are spelled', async () => {
    const { Env: _env, ...config } = imageConfig.config
    const spelled = ` ${JSON.stringify({ ...imageConfig, config: { ...config, Env: ['A=1'] } }, null, 3)}\n`
    await expectUnchanged(imageWith(spelled), [
      editConfig({ user: 'root', env: { A: '1' }, labels: { kept: 'yes' }, cmd: ['serve'] }),
    ])
    await expectUnchanged(drawing, [editConfig({})])
  })

  it('edits an image of Docker’s, and keeps it one', async () => {
    const { document, destination } = await modify(drawing, [editConfig({ user: 'app' })], 'docker')
    expect(document.mediaType).toBe(mediaTypes.dockerManifest)
    expect(document.config.mediaType).toBe(mediaTypes.dockerConfig)
    expect((await readJson(destination, document.config)).config.User).toBe('app')
  })

  it('keeps what the entry of the config says besides, but not its embedded data', async () => {
    const bytes = Buffer.from(JSON.stringify(imageConfig))
    const embedded = graph({
      root: ['config', 'layer'],
      config: { bytes, entry: { annotations: { a: 'b' }, data: bytes.toString('base64') } as object },
      layer: gzip,
    })
    const { document } = await modify(embedded, [editConfig({ user: 'app' })])
    expect(Object.keys(document.config)).toEqual(['mediaType', 'digest', 'size', 'annotations'])
    expect(document.layers).toEqual([drawing.descriptor('layer')])
  })

  it('reads what an earlier one has made', async () => {
    const modifiers = [editConfig({ user: 'first', author: 'first' }), editConfig({ user: 'second' })]
    const { root, destination, result } = await modify(drawing, modifiers)
    const config = await readConfig(destination, root)
    expect([config.config.User, config.author]).toEqual(['second', 'first'])
    // The manifest, its layer, the config; no config in between.
    expect(result.copied.nodes).toBe(3)
  })

  it('leaves artifacts, attestations and signatures alone', async () => {
    const config = { bytes: Buffer.from('{"config":{}}') }
    const others = graph({
      root: { kind: 'index', children: ['artifact', 'attestation', 'signature', 'chart'] },
      artifact: { children: ['config', 'layer'], artifactType: 'application/thing' },
      attestation: ['config', 'statement'],
      signature: ['config', 'payload'],
      chart: { kind: 'artifact', children: ['layer'] },
      config,
      layer: gzip,
      statement: { mediaType: 'application/vnd.in-toto+json' },
      payload: { mediaType: 'application/vnd.dev.cosign.simplesigning.v1+json' },
    })
    await expectUnchanged(others, [editConfig({ user: 'app', history: 'USER app' })])
  })

  it.each<[string, unknown, ConfigChanges]>([
    ['is no JSON', 'config', { user: 'app' }],
    ['is a list', [], { user: 'app' }],
    ['says a field twice', '{"config":{"User":"a","User":"b"}}', { user: 'app' }],
    ['says a field twice to Go', { config: { User: 'a', user: 'b' } }, { user: 'a' }],
    ['says a field by another name to Go', { config: { uſer: 'b' } }, { user: null }],
    ['has two objects for one to Go', { config: {}, Config: {} }, { user: 'a' }],
    ['has no object where one should be', { config: 'text' }, { author: 'a' }],
    ['has a text of variables', { config: { Env: 'A=1' } }, { env: { A: '2' } }],
    ['has a number among the variables', { config: { Env: ['A=1', 2] } }, { env: { A: '2' } }],
    ['has a list of labels', { config: { Labels: ['a'] } }, { labels: { a: '2' } }],
    ['has a text for a history', { history: 'none' }, { history: 'more' }],
  ])('refuses a config that %s', async (_, config, changes) => {
    const copying = modify(imageWith(config), [editConfig(changes)])
    await expect(copying).rejects.toMatchObject({
      code: 'COPY',
      origin: 'caller',
      operation: 'modifier config',
    })
    expect(errorCode(await copying.catch((error: unknown) => error))).toBe('INVALID_MANIFEST')
  })

  it('reads no config beyond the limit', async () => {
    const large = imageWith({ ...imageConfig, author: 'x'.repeat(2000) })
    const copying = modify(large, [editConfig({ user: 'app' })], 'root', { maxMetadataBytes: 1500 })
    expect(errorCode(await copying.catch((error: unknown) => error))).toBe('SIZE_EXCEEDS_LIMIT')
  })

  it.each<ConfigChanges>([
    { env: { '': 'value' } },
    { env: { 'A=B': 'value' } },
    { labels: { '': 'value' } },
    { created: 'yesterday' },
    { created: -1 },
  ])('refuses %j when it is made', (changes) => {
    expect(() => editConfig(changes)).toThrow(RangeError)
  })

  it('says in its parameters all that it was given, and does not follow later changes of it', async () => {
    const env: Record<string, string | null> = { A: '1' }
    const modifier = editConfig({ env, created: 0 })
    env['A'] = '2'
    expect(modifier.parameters).toEqual({ env: { A: '1' }, created: '1970-01-01T00:00:00Z' })
    const { root, destination } = await modify(imageWith({}), [modifier])
    expect((await readConfig(destination, root)).config.Env).toEqual(['A=1'])
  })
})
