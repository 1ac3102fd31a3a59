import { execFileSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { findProgram } from './binaries.ts'
import { temporaryFolder } from './child.ts'

/** A PKCS#11 library that wraps another one; its RSA signatures can be made to hang. */
export interface SlowLibrary {
  readonly path: string
  hang(): void
  goOn(): void
}

/** 51 bytes are the DigestInfo of SHA-256 with its digest (RFC 8017 §9.2): only RS256 signs that. */
const source = `
#include "pkcs11.h"
#include <dlfcn.h>
#include <sys/stat.h>
#include <unistd.h>

static CK_FUNCTION_LIST functions;
static CK_C_Sign signs;

static CK_RV signs_slowly(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR signature, CK_ULONG_PTR size) {
  struct stat first, now;
  // Waits for this very file to go: a later one is for other calls.
  if (length == 51 && stat(HANGS, &first) == 0) {
    while (stat(HANGS, &now) == 0 && now.st_ino == first.st_ino && now.st_mtim.tv_nsec == first.st_mtim.tv_nsec) usleep(5000);
  }
  return signs(session, data, length, signature, size);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
  CK_FUNCTION_LIST_PTR inner;
  void *library = dlopen(INNER, RTLD_NOW | RTLD_LOCAL);
  CK_C_GetFunctionList get = library ? (CK_C_GetFunctionList) dlsym(library, "C_GetFunctionList") : 0;
  if (!get || get(&inner) != CKR_OK) return CKR_GENERAL_ERROR;
  functions = *inner;
  signs = functions.C_Sign;
  functions.C_Sign = signs_slowly;
  *list = &functions;
  return CKR_OK;
}
`

/** @param inner the path of the library that does the work */
export async function slowLibrary(inner: string): Promise<SlowLibrary> {
  const folder = await temporaryFolder('library')
  const [code, path, hangs] = ['slow.c', 'slow.so', 'hangs'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  writeFileSync(code, source)
  const headers = join(
    dirname(createRequire(import.meta.url).resolve('pkcs11js/package.json')),
    'includes/pkcs11',
  )
  const names = [`-DHANGS="${hangs}"`, `-DINNER="${inner}"`]
  execFileSync(findProgram('cc') as string, [
    '-shared',
    '-fPIC',
    '-I',
    headers,
    ...names,
    '-o',
    path,
    code,
    '-ldl',
  ])
  return {
    path,
    hang: () => writeFileSync(hangs, ''),
    goOn: () => rmSync(hangs, { force: true }),
  }
}
