import fc from 'fast-check'
import { expect, it } from 'vitest'
import { isRepository } from '../../src/content/reference.ts'
import { parseRoute } from '../../src/server/routes.ts'

const part = fc.stringMatching(/^[a-z0-9]{1,8}$/)
/** Names whose parts are words of the API are legal too. */
const word = fc.constantFrom('v2', 'blobs', 'uploads', 'manifests', 'tags', 'list', 'referrers')
const name = fc.array(fc.oneof(part, word), { minLength: 1, maxLength: 6 }).map((parts) => parts.join('/'))
const reference = fc.stringMatching(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,20}$/)

it('every legal name and reference is found again in its path', () => {
  fc.assert(
    fc.property(name, reference, (legal, tag) => {
      expect(isRepository(legal)).toBe(true)
      expect(parseRoute(`/v2/${legal}/tags/list`)).toEqual({ noun: 'tags', name: legal, reference: '' })
      expect(parseRoute(`/v2/${legal}/blobs/uploads/`)).toEqual({
        noun: 'uploads',
        name: legal,
        reference: '',
      })
      expect(parseRoute(`/v2/${legal}/manifests/${tag}`)).toEqual({
        noun: 'manifest',
        name: legal,
        reference: tag,
      })
      expect(parseRoute(`/v2/${legal}/blobs/uploads/${tag}`)).toEqual({
        noun: 'upload',
        name: legal,
        reference: tag,
      })
      const digest = `sha256:${'a'.repeat(64)}`
      expect(parseRoute(`/v2/${legal}/blobs/${digest}`)).toEqual({
        noun: 'blob',
        name: legal,
        reference: digest,
      })
      expect(parseRoute(`/v2/${legal}/referrers/${digest}`)?.name).toBe(legal)
    }),
  )
})

it('no path makes it fail', () => {
  fc.assert(fc.property(fc.string(), (path) => void parseRoute(`/v2/${path}`)))
})
