import { describe, expect, it } from 'vitest'
import { isForeignLayer, mediaTypes, withoutParameters } from '../../src/content/media-types.ts'

describe('a media type', () => {
  it.each([
    'application/vnd.oci.image.layer.nondistributable.v1.tar',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
    'application/vnd.docker.image.rootfs.foreign.diff.tar',
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  ])('is a foreign layer: %s', (mediaType) => {
    expect(isForeignLayer(mediaType)).toBe(true)
  })

  it.each(Object.values(mediaTypes))('is not a foreign layer: %s', (mediaType) => {
    expect(isForeignLayer(mediaType)).toBe(false)
  })

  it.each([
    ['application/json', 'application/json'],
    ['application/json; charset=utf-8', 'application/json'],
    ['application/json;charset="a;b"', 'application/json'],
    ['  Application/JSON  ', 'application/json'],
    ['', ''],
    [';', ''],
  ])('is taken out of the header %j', (header, expected) => {
    expect(withoutParameters(header)).toBe(expected)
  })
})
