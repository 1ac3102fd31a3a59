import { expect } from 'chai'
import { isLoopback, isPublic, listOf } from '../../src/outgoing/address.ts'

const open = [
  '1.1.1.1',
  '9.255.255.255',
  '11.0.0.0',
  '100.63.255.255',
  '100.128.0.0',
  '172.15.255.255',
  '172.32.0.0',
  '192.167.255.255',
  '192.169.0.0',
  '198.17.255.255',
  '198.20.0.0',
  '223.255.255.255',
  '2001:4860:4860::8888',
  '2001:200::1',
  '2606:4700::1111',
  '3ffe::1',
  '2a00:1450:4001::',
]

const closed = [
  ...['0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.127.255.255'],
  ...['127.0.0.1', '127.255.255.254', '169.254.169.254', '172.16.0.1', '172.31.255.255'],
  ...['192.0.0.8', '192.0.2.1', '192.88.99.1', '192.168.1.1', '198.18.0.1', '198.19.255.255'],
  ...['198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.255', '240.0.0.1'],
  '255.255.255.255',
  ...['::', '::1', '::2', 'fe80::1', 'febf::1', 'fec0::1', 'fc00::1', 'fd12:3456::1', 'ff02::1'],
  ...['::ffff:127.0.0.1', '::ffff:7f00:1', '::ffff:8.8.8.8', '::ffff:0:8.8.8.8', '::8.8.8.8'],
  ...['64:ff9b::8.8.8.8', '64:ff9b::7f00:1', '64:ff9b:1::1', '100::1', '5f00::1', '4000::1'],
  ...['2001::1', '2001:0:4136:e378::1', '2001:10::1', '2001:20::1', '2001:db8::1', '3fff::1'],
  ...['2002:7f00:1::', '2002:808:808::1', '2620:4f:8000::1'],
  ...['fe80::1%1', '1::1%eth0', '', 'localhost', '127.1', '0x7f.0.0.1', '1.1.1.1 ', '[::1]'],
]

describe('addresses of outgoing requests (C11)', () => {
  it('must be public', () => {
    for (const address of open) expect(isPublic(address), address).to.equal(true)
    for (const address of closed) expect(isPublic(address), address).to.equal(false)
  })

  it('count as loopback in both families, but not if mapped or unspecified', () => {
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '0:0:0:0:0:0:0:1']) {
      expect(isLoopback(address), address).to.equal(true)
    }
    for (const address of ['::ffff:127.0.0.1', '128.0.0.1', '::', '0.0.0.0', 'localhost']) {
      expect(isLoopback(address), address).to.equal(false)
    }
  })

  it('match networks of both families', () => {
    const matches = listOf(['10.1.0.0/16', 'fd00::/8', '192.168.0.5/32'])
    for (const address of ['10.1.2.3', 'fd00::5', '192.168.0.5']) {
      expect(matches(address), address).to.equal(true)
    }
    for (const address of ['10.2.0.1', 'fc00::1', '192.168.0.6', 'x', '']) {
      expect(matches(address), address).to.equal(false)
    }
    expect(listOf([])('10.0.0.1')).to.equal(false)
  })
})
