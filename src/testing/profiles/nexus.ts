import { requireBasic } from '../access.ts'
import { changeHeaders } from '../answers.ts'
import type { Profile } from './profile.ts'
import { changeTags } from './traits.ts'

/**
 * Sonatype Nexus behind a proxy. The row: "JSON null inside tag lists; Basic unless token realm enabled; path-less
 * host:port per repo; http behind a proxy gives http Location". With TLS, its Locations are of the other scheme.
 */
export function nexus(): Profile {
  return {
    faults: ({ users }) => [
      requireBasic(users, 'Sonatype Nexus Repository Manager'),
      changeHeaders({
        location: (location, { origins }) =>
          location?.startsWith('/') ? `http://${new URL(origins.registry).host}${location}` : location,
      }),
      changeTags((tags) => ({ tags: [null, ...tags] })),
    ],
  }
}
