"""Java's options for the proxies and trusted certificates of the environment.

Java reads neither HTTPS_PROXY nor SSL_CERT_FILE, so it could not connect where pip can.
"""

import hashlib
import ssl
import struct
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

BUNDLE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
PASSWORD = "changeit"  # Java's own default; the certificates are public, so it protects no secret
END_OF_CERTIFICATE = "-----END CERTIFICATE-----"


def java_options(environ: Mapping[str, str], store_path: Path) -> list[str]:
    """Returns options by which Java reaches what Python reaches.

    Args:
        environ: the environment variables that pip would follow.
        store_path: where a file of trusted certificates is written, if `environ` names some.
    """
    return proxy_options(environ) + trust_options(environ, store_path)


def proxy_options(environ: Mapping[str, str]) -> list[str]:
    """Returns options for the proxies of `environ`, and for the hosts that need none."""
    options = []
    for scheme in ("http", "https"):
        proxy = environ.get(f"{scheme}_proxy") or environ.get(f"{scheme.upper()}_PROXY")
        if not proxy:
            continue
        parts = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        options += [f"-D{scheme}.proxyHost={parts.hostname}"]
        options += [f"-D{scheme}.proxyPort={parts.port}"] if parts.port else []
    if options and (direct := environ.get("no_proxy") or environ.get("NO_PROXY")):
        hosts = [host.strip() for host in direct.split(",")]
        patterns = [f"*{host}" if host.startswith(".") else host for host in hosts]
        options.append(f"-Dhttp.nonProxyHosts={'|'.join(patterns)}")
    return options


def trust_options(environ: Mapping[str, str], store_path: Path) -> list[str]:
    """Writes the certificates that `environ` names to `store_path` in Java's format; returns its
    options.
    """
    bundles = [Path(environ[name]) for name in BUNDLE_VARIABLES if environ.get(name)]
    bundle = next((path for path in bundles if path.is_file()), None)
    if bundle is None:
        return []
    store_path.write_bytes(trust_store(bundle.read_text(errors="replace")))
    return [
        f"-Djavax.net.ssl.trustStore={store_path}",
        f"-Djavax.net.ssl.trustStorePassword={PASSWORD}",
    ]


def trust_store(pem: str) -> bytes:
    """Returns a Java key store (JKS, version 2) that trusts every certificate of a PEM file.

    Java's own tool takes one certificate per call, at half a second each.
    """
    certificates = [
        ssl.PEM_cert_to_DER_cert(part[part.index("-----BEGIN") :] + END_OF_CERTIFICATE)
        for part in pem.split(END_OF_CERTIFICATE)
        if "-----BEGIN CERTIFICATE-----" in part
    ]
    body = struct.pack(">III", 0xFEEDFEED, 2, len(certificates))
    for number, certificate in enumerate(certificates):
        # a trusted certificate (2): its alias, when it was added, its type, its bytes
        body += struct.pack(">I", 2) + _text(f"certificate-{number}") + struct.pack(">Q", 0)
        body += _text("X.509") + struct.pack(">I", len(certificate)) + certificate
    seal = hashlib.sha1(PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + body)
    return body + seal.digest()


def _text(text: str) -> bytes:
    return struct.pack(">H", len(text)) + text.encode("ascii")
