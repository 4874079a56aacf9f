/**
 * How much of an SMS a text takes: 160 characters where all are of GSM-7, else 70 UTF-16 units; a little less in each
 * of several segments, which are numbered (3GPP TS 23.038, 23.040).
 */
export interface SmsSize {
  readonly encoding: 'GSM-7' | 'UCS-2'
  readonly segments: number
  /** Characters as the encoding counts them. */
  readonly used: number
  /** What one segment holds. */
  readonly room: number
}

/**
 * The characters of GSM 03.38's basic table that take one septet each, without its Greek and accented ones: a text with
 * these counts as UCS-2, which no route makes larger.
 */
const GSM_7 = /^[\n\r !"#$%&'()*+,\-./0-9:;<=>?@A-Z_a-z]*$/

export function smsSize(text: string): SmsSize {
  const [encoding, room, roomOfMany] = GSM_7.test(text) ? (['GSM-7', 160, 153] as const) : (['UCS-2', 70, 67] as const)
  const used = text.length
  return { encoding, used, room, segments: used <= room ? 1 : Math.ceil(used / roomOfMany) }
}
