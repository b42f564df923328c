import { describe, expect, it } from 'vitest'
import { plainDescriptor, sameNode, type Descriptor } from '../../src/content/descriptor.ts'
import { digestOf } from '../../src/content/digest.ts'

const descriptor: Descriptor = {
  mediaType: 'application/octet-stream',
  digest: digestOf(Buffer.from('a')),
  size: 1,
  annotations: { title: 'a' },
  platform: { os: 'linux', architecture: 'amd64' },
  artifactType: 'application/x',
  urls: ['https://example.com/a'],
  data: 'YQ==',
}

describe('a descriptor', () => {
  it('is plain with media type, digest and size alone', () => {
    const { mediaType, digest, size } = descriptor
    expect(plainDescriptor(descriptor)).toEqual({ mediaType, digest, size })
  })

  it('is one node with another that only differs in what its parent says', () => {
    expect(sameNode(descriptor, plainDescriptor(descriptor))).toBe(true)
  })

  it.each([{ mediaType: 'text/plain' }, { digest: digestOf(Buffer.from('b')) }, { size: 2 }])(
    'is another node with %o',
    (change) => {
      expect(sameNode(descriptor, { ...descriptor, ...change })).toBe(false)
    },
  )
})
