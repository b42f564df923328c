import { withField, withTexts } from './fields.ts'
import type { Modifier } from './modifier.ts'

/** Names the digest that a manifest had before a copy made another one of it. */
export const originalDigestAnnotation = 'io.copygraph.original.digest'

/**
 * Writes into the node that the copy was asked for, if it has become another one, the digest that it has in the source.
 * It has to be the last modifier: what those after it change, it does not see. Error: RangeError for an empty name.
 */
export function recordOriginalDigest(annotation: string = originalDigestAnnotation): Modifier {
  if (annotation === '') throw new RangeError('an annotation needs a name')
  return {
    id: 'original-digest',
    parameters: { annotation },
    apply(node) {
      if (node.kind === 'blob' || !node.isRequested || !node.isChanged) return 'keep'
      const { document, descriptor } = node
      const texts = withTexts(document['annotations'], { [annotation]: descriptor.digest }, 'annotations')
      return { document: withField(document, 'annotations', texts) }
    },
  }
}
