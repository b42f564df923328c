import { describe, expect, it } from 'vitest'
import { mediaTypes } from '../../../src/content/media-types.ts'
import { setCreated } from '../../../src/copy/modifiers/set-created.ts'
import { errorCode } from '../../../src/errors.ts'
import { graph, type TestGraph } from '../../support/graph.ts'
import { readJson } from '../../support/read-json.ts'
import { expectUnchanged, imageConfig, modify } from './modify.ts'

const key = 'org.opencontainers.image.created'
const time = '2024-05-06T07:08:09Z'

/** An index of two images, built at some time. */
function builtAt(at: string): TestGraph {
  const history = [{ created: at, created_by: 'RUN it' }, { created_by: 'without a time' }]
  const config = Buffer.from(JSON.stringify({ ...imageConfig, created: at, history }))
  return graph({
    root: { kind: 'index', children: ['image', 'plain', 'artifact'], annotations: { [key]: at, a: 'b' } },
    image: {
      children: ['config', 'layer'],
      annotations: { [key]: at },
      entry: { annotations: { [key]: at, c: 'd' } },
    },
    plain: ['config', 'layer'],
    artifact: { children: ['empty', 'layer'], artifactType: 'application/thing', annotations: { [key]: at } },
    config: { bytes: config },
    layer: { mediaType: mediaTypes.ociLayerGzip, bytes: Buffer.from('layer') },
  })
}

describe('setCreated', () => {
  it('gives images that differ by their times alone one digest', async () => {
    const [first, second] = await Promise.all(
      ['2020-01-01T00:00:00Z', '2021-02-03T04:05:06.789Z'].map((at) =>
        modify(builtAt(at), [setCreated(time)]),
      ),
    )
    expect(first?.root).toEqual(second?.root)
  })

  it('sets the time in configs and their history, and in annotations that are there', async () => {
    const { document, destination } = await modify(builtAt('2020-01-01T00:00:00Z'), [setCreated(time)])
    expect(document.annotations).toEqual({ [key]: time, a: 'b' })
    const [image, plain, artifact] = document.manifests
    expect(image.annotations).toEqual({ [key]: time, c: 'd' })
    const manifest = await readJson(destination, image)
    expect(manifest.annotations).toEqual({ [key]: time })
    expect(await readJson(destination, plain)).not.toHaveProperty('annotations')
    expect((await readJson(destination, artifact)).annotations).toEqual({ [key]: time })
    expect(await readJson(destination, manifest.config)).toEqual({
      ...imageConfig,
      created: time,
      history: [{ created: time, created_by: 'RUN it' }, { created_by: 'without a time' }],
    })
  })

  it('takes seconds, as SOURCE_DATE_EPOCH has them', async () => {
    const seconds = String(Date.parse(time) / 1000)
    const [text, number, date] = await Promise.all(
      [seconds, Number(seconds), time].map((at) => modify(builtAt('2020-01-01T00:00:00Z'), [setCreated(at)])),
    )
    expect(text?.root).toEqual(date?.root)
    expect(number?.root).toEqual(date?.root)
  })

  it('keeps the bytes where the time is right', async () => {
    await expectUnchanged(builtAt(time), [setCreated(time)])
  })

  it('says a time where an image has none', async () => {
    const drawing = graph({
      root: ['config'],
      config: { bytes: Buffer.from('{"os":"linux","history":null}') },
    })
    const { document, destination } = await modify(drawing, [setCreated(time)])
    expect(await readJson(destination, document.config)).toEqual({
      os: 'linux',
      history: null,
      created: time,
    })
  })

  it('refuses a config that says a time by another name to Go', async () => {
    const drawing = graph({
      root: ['config'],
      config: { bytes: Buffer.from('{"Created":"2020-01-01T00:00:00Z"}') },
    })
    const error: unknown = await modify(drawing, [setCreated(time)]).catch((thrown: unknown) => thrown)
    expect(errorCode(error)).toBe('INVALID_MANIFEST')
  })

  it.each(['', 'today', '2024-02-30', -1, 0.5])('refuses %j when it is made', (at) => {
    expect(() => setCreated(at)).toThrow(RangeError)
  })
})
