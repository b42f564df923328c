import { targetContract } from '../contract.ts'
import { makePlace } from '../../support/places.ts'

targetContract('Repository at the embedded registry', () => makePlace('registry'), [
  'tag-blobs',
  'containers',
  'free-tags',
])
