/** Random values of a schema's shape, for property tests. */
import fc from 'fast-check'
import { z } from 'zod'

/** So many fields of an object with many, or they would always contradict each other somewhere. */
const fieldsMax = 6

/** Lists and parts that are there or not; at their ends what `leaf` gives for the field, which need not be right. */
export function shaped(
  schema: z.ZodType,
  leaf: (field: z.ZodType, name: string) => fc.Arbitrary<unknown>,
  name = '',
): fc.Arbitrary<unknown> {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault)
    return shaped(schema.unwrap() as z.ZodType, leaf, name)
  if (schema instanceof z.ZodArray)
    return fc.array(shaped(schema.element as z.ZodType, leaf, name), { maxLength: 2 })
  if (!(schema instanceof z.ZodObject)) return leaf(schema, name)
  const fields: [string, z.ZodType][] = Object.entries(schema.shape)
  const model = fields
    .filter(([, field]) => !(field instanceof z.ZodOptional && field.unwrap() instanceof z.ZodUnknown))
    .map(([key, field]) => [key, shaped(field, leaf, key)] as const)
  return fc
    .subarray(model, { maxLength: Math.min(fieldsMax, model.length) })
    .chain((chosen) => fc.record(Object.fromEntries(chosen)))
}
