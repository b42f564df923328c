/**
 * A point in time as image-spec has it (RFC 3339), in UTC: of an ISO 8601 date, with or without a time and its zone, or of
 * seconds since 1970, also in digits, as SOURCE_DATE_EPOCH has them. Error: RangeError.
 */
export function timestamp(time: string | number): string {
  const milliseconds =
    typeof time === 'number' || /^\d{1,12}$/.test(time) ? ofEpoch(Number(time)) : ofDate(time)
  if (milliseconds === undefined) {
    const expected = 'expected an ISO 8601 date, with a zone if it has a time, or whole seconds since 1970'
    throw new RangeError(`${JSON.stringify(time)} is no point in time: ${expected}`)
  }
  return new Date(milliseconds).toISOString().replace('.000Z', 'Z')
}

/** The last second of the year 9999: later ones cannot be written in RFC 3339. */
const lastSecond = 253_402_300_799

function ofEpoch(seconds: number): number | undefined {
  return Number.isInteger(seconds) && seconds >= 0 && seconds <= lastSecond ? seconds * 1000 : undefined
}

const isoDate =
  /^(?<day>\d{4}-\d{2}-\d{2})(?:T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))?$/

function ofDate(text: string): number | undefined {
  const day = isoDate.exec(text)?.groups?.['day']
  if (day === undefined) return undefined
  // JavaScript takes 30 February for 2 March.
  const start = new Date(day)
  if (Number.isNaN(start.getTime()) || start.toISOString().slice(0, 10) !== day) return undefined
  const milliseconds = Date.parse(text)
  // A zone may lead out of the years that have four digits.
  return /^\d{4}-/.test(new Date(milliseconds).toISOString()) ? milliseconds : undefined
}
