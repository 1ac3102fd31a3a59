import type { X509Certificate } from 'node:crypto'
import { certificateFault, certificatesIn, keyFault } from '../../config/certificates.ts'
import type { Config } from '../../config/config.ts'
import { DomainError } from '../errors.ts'
import { type Followed, followFiles } from '../followed-files.ts'
import type { Log } from '../log.ts'

/** This server's certificate with its chain, and its key: both PEM. */
export interface CertifiedKey {
  cert: string
  key: string
}

/** The content of the TLS files, which may be renewed while the server runs. */
export interface TlsFiles {
  /** The server certificate; undefined for plain HTTP. */
  certificate: Followed<CertifiedKey> | undefined
  /** The CAs whose certificates authenticate clients. */
  authorities(): readonly X509Certificate[]
  /** Reloads renewed files. */
  check(): Promise<void>
}

/** @throws DomainError `config_invalid` when a file's content is not what it should be */
export async function openTlsFiles(config: Config, log: Log): Promise<TlsFiles> {
  const { tlsCertFile, tlsKeyFile, mtlsCaFile } = config
  const certificate =
    tlsCertFile && tlsKeyFile
      ? await followFiles([tlsCertFile, tlsKeyFile], certifiedKey, log)
      : undefined
  const authorities = mtlsCaFile ? await followFiles([mtlsCaFile], certificates, log) : undefined
  return {
    certificate,
    authorities: () => authorities?.current ?? [],
    async check() {
      await certificate?.check()
      await authorities?.check()
    },
  }
}

function certifiedKey(cert = '', key = ''): CertifiedKey {
  refuse('TLS_CERT_FILE', certificateFault(cert))
  refuse('TLS_KEY_FILE', keyFault(key, cert))
  return { cert, key }
}

function certificates(pem = ''): X509Certificate[] {
  refuse('MTLS_CA_FILE', certificateFault(pem))
  return certificatesIn(pem)
}

function refuse(name: string, fault: string | undefined): void {
  if (fault) throw new DomainError('config_invalid', { detail: `${name}: ${fault}` })
}
