/**
 * Sets an entry of a map that strangers must not fill: in a full one it takes the place of the entry that was set
 * longest ago.
 * @param most entries
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
