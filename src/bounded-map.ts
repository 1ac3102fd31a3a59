/**
 * Sets an entry of a map that untrusted callers must not grow without bound: a full map drops its oldest entry.
 * @param most the maximum number of entries
 */
export function setBounded<Key, Value>(
  map: Map<Key, Value>,
  key: Key,
  value: Value,
  most: number,
): void {
  map.delete(key)
  if (map.size >= most) map.delete(map.keys().next().value as Key)
  map.set(key, value)
}
