//! Whose code a frame is: the program's own, or that of a library, framework or runtime.

use super::frames::Language;

/// Beginnings of qualified names that are not own, where frames begin with `at`: Java, Kotlin, Scala; .NET; Node.
const AT: &[&str] = &[
    "java.",
    "javax.",
    "jakarta.",
    "jdk.",
    "sun.",
    "com.sun.",
    "kotlin.",
    "kotlinx.",
    "scala.",
    "akka.",
    "groovy.",
    "org.codehaus.groovy.",
    "android.",
    "androidx.",
    "com.android.",
    "dalvik.",
    "org.springframework.",
    "org.apache.",
    "org.hibernate.",
    "org.eclipse.",
    "org.jboss.",
    "org.wildfly.",
    "org.junit.",
    "org.slf4j.",
    "org.postgresql.",
    "org.glassfish.",
    "org.mariadb.",
    "org.aspectj.",
    "org.quartz.",
    "io.netty.",
    "io.undertow.",
    "io.grpc.",
    "io.vertx.",
    "io.quarkus.",
    "io.micronaut.",
    "io.lettuce.",
    "io.reactivex.",
    "reactor.",
    "feign.",
    "okhttp3.",
    "okio.",
    "retrofit2.",
    "ch.qos.logback.",
    "com.fasterxml.",
    "com.google.common.",
    "com.google.gson.",
    "com.mysql.",
    "com.zaxxer.",
    "com.netflix.",
    "com.mongodb.",
    "net.sf.cglib.",
    "oracle.jdbc.",
    "redis.clients.",
    "System.",
    "Microsoft.",
    "Newtonsoft.",
    "Npgsql.",
    "MongoDB.",
    "StackExchange.",
    "Promise.",
    "Array.",
    "process.",
    "Module.",
    "Generator.",
];

/// Of Go.
const GO: &[&str] = &[
    "runtime.",
    "runtime/",
    "net/",
    "net.",
    "reflect.",
    "sync.",
    "sync/",
    "syscall.",
    "internal/",
    "encoding/",
    "database/sql.",
    "context.",
    "testing.",
    "bufio.",
    "bytes.",
    "crypto/",
    "errors.",
    "fmt.",
    "io.",
    "io/",
    "log.",
    "log/",
    "math.",
    "math/",
    "os.",
    "os/",
    "path/",
    "regexp.",
    "sort.",
    "slices.",
    "strconv.",
    "strings.",
    "time.",
    "panic",
    "golang.org/",
    "google.golang.org/",
    "github.com/gin-gonic/",
    "github.com/labstack/",
    "github.com/gorilla/",
    "github.com/go-chi/",
];

/// Of Rust.
const RUST: &[&str] = &[
    "std::",
    "core::",
    "alloc::",
    "tokio::",
    "hyper::",
    "hyper_util::",
    "axum::",
    "tower::",
    "actix_web::",
    "actix_rt::",
    "futures::",
    "futures_util::",
    "futures_core::",
    "rayon::",
    "rayon_core::",
    "tracing::",
    "anyhow::",
    "backtrace::",
    "test::",
    "rust_",
    "__rust_",
    "__rustc",
    "__libc_",
    "_start",
    "start_thread",
    "clone",
    "clone3",
    "main",
];

/// Parts of a path that is not own.
const PLACES: &[&str] = &[
    "/node_modules/",
    "/site-packages/",
    "/dist-packages/",
    "lib/python3",
    "/lib/python2",
    "/vendor/",
    "/gems/",
    "/lib/ruby/",
    "/rustc/",
    "/.cargo/registry/",
    "/.cargo/git/",
    "/usr/local/go/src/",
    "/usr/lib/go",
    "/go/pkg/mod/",
    "/libexec/src/",
];

/// Beginnings of places that are no path of the program's.
const PLACE_BEGINNINGS: &[&str] = &["node:", "internal/", "node_modules/", "<", "(eval", "[internal function", "native", "index "];

/// Whether a function of this name in this place (a path, or empty) is the program's own.
pub(super) fn is_own(language: Language, name: &[u8], place: &[u8]) -> bool {
    let names = match language {
        Language::At => AT,
        Language::Go => GO,
        Language::Rust => RUST,
        Language::Script => &[],
    };
    // Of `<T as Trait>::f` the type decides.
    let name = name.strip_prefix(b"<").filter(|_| language == Language::Rust).unwrap_or(name);
    let first = name.first().copied();
    let foreign = |known: &&str| {
        // Most differ here already.
        if known.as_bytes().first().copied() != first {
            return false;
        }
        let word = known.as_bytes().last().is_some_and(u8::is_ascii_alphanumeric) && *known != "__rustc";
        if word { name == known.as_bytes() } else { name.starts_with(known.as_bytes()) }
    };
    // A proxy is made at run time.
    !(names.iter().any(foreign)
        || contains(name, b"$Proxy")
        || !place.is_empty()
            && (PLACE_BEGINNINGS.iter().any(|begin| place.starts_with(begin.as_bytes())) || PLACES.iter().any(|part| contains(place, part.as_bytes()))))
}

/// Whether the text contains the part.
pub(super) fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_is_what_no_library_is() {
        use Language::{At, Go, Rust};
        let own = [(At, "com.acme.A.b"), (At, "net.acme.A.b"), (At, "Shop.Cart.Add"), (At, "javascript.x"), (Go, "main.run"), (Go, "shop/db.Load")];
        for (language, name) in own.into_iter().chain([(Rust, "shop::db::load"), (Rust, "shop::main"), (Rust, "<shop::T as X>::f")]) {
            assert!(is_own(language, name.as_bytes(), b"/app/src/x"), "{name}");
        }
        let foreign = [(At, "java.util.A.b"), (At, "com.x.$Proxy12.f"), (At, "System.Linq.F"), (Go, "runtime.gopanic"), (Go, "net/http.serve"), (Go, "panic")];
        for (language, name) in foreign.into_iter().chain([(Rust, "<core::x as Y>::f"), (Rust, "rust_begin_unwind"), (Rust, "clone"), (Rust, "main")]) {
            assert!(!is_own(language, name.as_bytes(), b""), "{name}");
        }
    }

    #[test]
    fn places_of_others_are_not_own() {
        for place in ["/app/node_modules/x/y.js", "node:internal/x", "/usr/lib/python3.12/json/x.py", "/app/vendor/a/b.php", "/rustc/abc/library/x.rs"] {
            assert!(!is_own(Language::Script, b"f", place.as_bytes()), "{place}");
        }
        for place in ["/app/internal/x.go", "/app/native/x.js", "x.py", ""] {
            assert!(is_own(Language::Script, b"f", place.as_bytes()), "{place}");
        }
    }
}
