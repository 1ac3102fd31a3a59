import { pbkdf2Sync, scryptSync } from 'node:crypto'
import { hash as argon2 } from '@node-rs/argon2'
import { hashSync as bcrypt } from 'bcrypt'
import { expect } from 'chai'
import { importFault, readImportedHash } from '../../src/accounts/imported-hash.ts'

describe('an imported password hash', () => {
  const password = 'pâssword of old'
  const salt = Buffer.from('sixteen bytes!!!')
  const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '')
  const pbkdf2 = (digest: string) => pbkdf2Sync(password, salt, 1000, 32, digest)
  const cheap = { memoryCost: 1024, timeCost: 2, parallelism: 1 }

  const notations: Record<string, () => Promise<string> | string> = {
    argon2id: () => argon2(password, cheap),
    argon2i: () =>
      '$argon2i$v=19$m=1024,p=1,t=2$6rH5yJwUC6Ioz+XewqjHSw$RE9CE9bGlkJ0XnPWv2s3+tKAscgT/RL03caneKIMLyQ',
    argon2d: () =>
      '$argon2d$v=19$m=1024,p=1,t=2$x+lE/Ruvw7ymthhGDjdWcQ$BOpCR7ShL2RcNadb4F3upYiL4aVV4arf5hpRnUGMdDE',
    'argon2id with its parameters in another order': () =>
      '$argon2id$v=19$m=1024,p=1,t=2$OqgA6Rx2YeNirBPUuRJ+lg$/AAproMlLdmyFd7cFXTZpngABmRmPJeUslUK+Gda0zk',
    'bcrypt 2b': () => bcrypt(password, 5),
    'bcrypt of PHP, 2y': () => bcrypt(password, 5).replace('$2b', '$2y'),
    'bcrypt 2a': () => bcrypt(password, 5).replace('$2b', '$2a'),
    scrypt: () =>
      `$scrypt$ln=10,r=8,p=1$${base64(salt)}$${base64(scryptSync(password, salt, 32, { N: 1024, r: 8, p: 1 }))}`,
    'PBKDF2 with SHA-256': () => `$pbkdf2-sha256$1000$${base64(salt)}$${base64(pbkdf2('sha256'))}`,
    'PBKDF2 as passlib writes it': () =>
      `$pbkdf2-sha512$1000$${base64(salt)}$${base64(pbkdf2('sha512')).replaceAll('+', '.')}`,
    'PBKDF2 with SHA-1': () => `$pbkdf2$1000$${base64(salt)}$${base64(pbkdf2('sha1'))}`,
    'PBKDF2 of Django': () =>
      `pbkdf2_sha256$1000$${salt.toString()}$${pbkdf2('sha256').toString('base64')}`,
  }
  for (const [name, make] of Object.entries(notations)) {
    it(`verifies only its own password: ${name}`, async () => {
      const read = readImportedHash(await make())
      if (typeof read === 'string') throw new Error(read)
      expect(await read.verify(password)).to.equal(true)
      for (const wrong of ['pâssword of olD', '', 'x']) {
        expect(await read.verify(wrong), wrong).to.equal(false)
      }
    })
  }

  it('can still be read when it was stored before the present cost limit', () => {
    const dear = `$pbkdf2-sha1$1300000$${base64(salt)}$${base64(Buffer.alloc(64, 1))}`
    expect(importFault(dear)).to.contain('1300000 iterations for each of 4 blocks')
    expect(readImportedHash(dear)).to.include({ scheme: 'pbkdf2' })
  })

  const key = (bytes: number) => base64(Buffer.alloc(bytes, 1))
  const salted = `${base64(salt)}$${key(32)}`
  for (const [text, expected] of [
    [`$argon2id$v=19$m=4194304,t=10,p=1$${salted}`, 'm is 4194304, expected at most 131072'],
    [`$argon2id$v=19$m=1024,t=11,p=1$${salted}`, 't is 11'],
    [`$argon2id$v=19$m=1024,t=2,p=5$${salted}`, 'p is 5'],
    [`$argon2id$v=19$m=1024,m=1024,t=2$${salted}`, 'p is undefined'],
    [`$argon2id$m=1024,t=2,p=1$${salted}`, 'expected $argon2id$v=19'],
    [`$argon2id$v=19$m=1024,t=2,p=1$${key(7)}$${key(32)}`, 'Salt is too short'],
    [`$argon2id$v=19$m=1024,t=2,p=1$${key(8)}$${key(15)}`, 'expected a hash of at least 16 bytes'],
    [`$argon2id$v=19$m=1024,t=2,p=1$s!lt$${key(32)}`, 'Decoding failed'],
    [`$argon2id$v=19$m=1024,t=2,p=1$${key(16)}=$${key(32)}`, 'Decoding failed'],
    [`$argon2id$v=19$m=1024,t=2,p=1$${key(16)}$h!sh`, 'Decoding failed'],
    [`$argon2i$v=19$m=01024,t=2,p=1$${salted}`, 'Decoding failed'],
    [`$argon2d$v=19$m=31,t=2,p=4$${salted}`, 'Memory cost is too small'],
    [`$argon2id$v=19$m=1024,t=0,p=1$${salted}`, 'Time cost is too small'],
    [bcrypt('x', 4).replace('$04$', '$15$'), 'cost is 15, expected at most 14'],
    ['$2b$10$tooshort', 'expected $2b$ with a cost'],
    [bcrypt('x', 4).replace('$04$', '$03$'), 'cost is 03, expected at least 4'],
    [bcrypt('x', 4).replace(/.$/, 'A'), 'expected $2b$ with a cost'],
    [bcrypt('x', 4).replace(/(?<=^.{28})./, 'A'), 'expected $2b$ with a cost'],
    [`$scrypt$ln=16,r=1,p=1$${salted}`, 'ln is 16, expected less than 16 times r, which is 1'],
    [`$scrypt$ln=10,r=8,p=1$${salted}!`, 'expected salt and hash in Base64'],
    [`$pbkdf2-sha256$1000$s!lt$${key(32)}`, 'expected salt and hash in Base64'],
    [
      `$pbkdf2-sha256$1000000$${base64(salt)}$${key(65)}`,
      '1000000 iterations for each of 3 blocks',
    ],
    [`$scrypt$ln=24,r=8,p=1$${salted}`, 'needs 17179869184 bytes'],
    [`$scrypt$ln=10,r=8,p=5$${salted}`, 'p is 5'],
    [`$scrypt$ln=0,r=8,p=1$${salted}`, 'expected ln, r and p of at least 1'],
    ['$scrypt$ln=10,r=8,p=1$c2FsdA$c2hvcnQ', 'expected a hash of at least 16 bytes'],
    [`$pbkdf2-sha256$9000000$${salted}`, '9000000 iterations'],
    [`$pbkdf2-sha256$0$${salted}`, '0 iterations'],
    [`$pbkdf2-md5$1000$${salted}`, 'expected $pbkdf2-sha256$'],
    ['pbkdf2_sha256$1000$salt$', 'expected pbkdf2_sha256$'],
    ['5f4dcc3b5aa765d61d8327deb882cf99', 'expected one of $argon2id$'],
    ['', 'expected one of'],
  ] as const) {
    it(`is refused when it costs too much or cannot be read: ${text.slice(0, 32)}, ${expected} (C18)`, () => {
      expect(importFault(text)).to.be.a('string').that.contains(expected)
    })
  }
})
