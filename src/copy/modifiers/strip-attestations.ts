import { withField } from './fields.ts'
import { isAttestation, isAttestationEntry } from './attestation.ts'
import { isList } from './image.ts'
import type { Modifier } from './modifier.ts'

/**
 * Removes the attestations that BuildKit puts into an index beside the images; what signs them is then invalidated. One
 * that the copy was asked for itself stays, and so do referrers of other kinds.
 */
export function stripAttestations(): Modifier {
  return {
    id: 'strip-attestations',
    parameters: null,
    apply(node) {
      if (node.kind === 'blob') return 'keep'
      if (isAttestation(node)) return node.isRequested ? 'keep' : 'remove'
      const { manifests } = node.document
      if (!isList(manifests)) return 'keep'
      const others = manifests.filter((entry) => !isAttestationEntry(entry))
      return { document: withField(node.document, 'manifests', others) }
    },
  }
}
