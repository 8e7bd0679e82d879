//! The word before a message: how grave it is, or which part of a message follows.

use crate::record::Level;

/// What a line holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tag {
    /// A message begins.
    Message(Level),
    Part(Part),
}

/// A part of a message that stands on lines of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Message,
    Detail,
    Hint,
    Context,
    Statement,
    /// Where in the server's source, and internal queries: nobody looks for them here.
    Other,
}

/// The tag that `text` begins with, and where what it marks begins.
///
/// The server writes the tag in the language of `lc_messages`, a colon and two spaces.
pub(crate) fn tag(text: &str) -> Option<(Tag, usize)> {
    if text.starts_with("LOG:  ") {
        return Some((Tag::Message(Level::Log), 6));
    }
    let colon = text.bytes().take(48).position(|b| b == b':')?;
    if !text.get(colon + 1..)?.starts_with("  ") {
        return None;
    }
    let tag = named(text.get(..colon)?.trim_end_matches([' ', '\u{a0}']))?;
    Some((tag, colon + 3))
}

/// From the server's message catalogues: English, German, French, Spanish, Italian,
/// Portuguese, Russian, Polish, Turkish, Swedish, Japanese, Korean, Chinese.
fn named(word: &str) -> Option<Tag> {
    let level = match word {
        "LOG" | "SMLOUVA" | "СООБЩЕНИЕ" | "ЗАПИСЬ" | "DZIENNIK" | "LOGG" | "ログ" | "로그"
        | "日志" | "日誌" => Level::Log,
        "ERROR" | "FEHLER" | "ERREUR" | "ERRORE" | "ERRO" | "ОШИБКА" | "BŁĄD" | "HATA" | "FEL"
        | "エラー" | "오류" | "错误" | "錯誤" | "ПОМИЛКА" | "CHYBA" => Level::Error,
        "FATAL"
        | "FATALE"
        | "ВАЖНО"
        | "КАТАСТРОФИЧНО"
        | "KATASTROFALNY"
        | "ÖLÜMCÜL (FATAL)"
        | "致命错误"
        | "嚴重錯誤"
        | "심각"
        | "ФАТАЛЬНО" => Level::Fatal,
        "PANIC"
        | "PANIK"
        | "PÁNICO"
        | "PANICO"
        | "PÂNICO"
        | "ПАНИКА"
        | "PANIKA"
        | "PANİK"
        | "パニック"
        | "손상"
        | "比致命错误还过分的错误" => Level::Panic,
        "WARNING"
        | "WARNUNG"
        | "ATTENTION"
        | "ADVERTENCIA"
        | "ATTENZIONE"
        | "AVISO"
        | "ПРЕДУПРЕЖДЕНИЕ"
        | "OSTRZEŻENIE"
        | "UYARI"
        | "VARNING"
        | "警告"
        | "경고"
        | "ПОПЕРЕДЖЕННЯ" => Level::Warning,
        "NOTICE" | "HINWEIS" | "NOTIFICA" | "NOTA" | "ЗАМЕЧАНИЕ" | "UWAGA" | "BİLGİ" | "NOTIS"
        | "注意" | "알림" => Level::Notice,
        "INFO"
        | "INFORMACIÓN"
        | "INFORMAÇÃO"
        | "ИНФОРМАЦИЯ"
        | "INFORMACJA"
        | "情報"
        | "信息"
        | "정보" => Level::Info,
        w if w.starts_with("DEBUG") || w == "ОТЛАДКА" => Level::Debug,
        other => return part(other).map(Tag::Part),
    };
    Some(Tag::Message(level))
}

fn part(word: &str) -> Option<Part> {
    Some(match word {
        "DETAIL"
        | "DÉTAIL"
        | "DETALLE"
        | "DETTAGLI"
        | "DETALHE"
        | "ПОДРОБНОСТИ"
        | "SZCZEGÓŁY"
        | "AYRINTI"
        | "DETALJ"
        | "詳細"
        | "상세정보"
        | "详细信息" => Part::Detail,
        "HINT" | "TIPP" | "ASTUCE" | "SUGERENCIA" | "SUGGERIMENTO" | "DICA" | "ПОДСКАЗКА"
        | "PODPOWIEDŹ" | "İPUCU" | "TIPS" | "ヒント" | "힌트" | "提示" => Part::Hint,
        "CONTEXT" | "ZUSAMMENHANG" | "CONTEXTE" | "CONTEXTO" | "CONTESTO" | "КОНТЕКСТ"
        | "KONTEKST" | "BAĞLAM" | "KONTEXT" | "コンテキスト" | "문맥" | "上下文" => {
            Part::Context
        }
        "STATEMENT"
        | "ANWEISUNG"
        | "INSTRUCTION"
        | "SENTENCIA"
        | "ISTRUZIONE"
        | "COMANDO"
        | "ОПЕРАТОР"
        | "WYRAŻENIE"
        | "KOMUT"
        | "SATS"
        | "ステートメント"
        | "명령 구문"
        | "语句" => Part::Statement,
        "QUERY" | "ANFRAGE" | "REQUÊTE" | "CONSULTA" | "ЗАПРОС" | "LOCATION" | "ORT"
        | "EMPLACEMENT" | "UBICACIÓN" | "BACKTRACE" => Part::Other,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_several_languages_are_known() {
        assert_eq!(tag("LOG:  a"), Some((Tag::Message(Level::Log), 6)));
        assert_eq!(tag("FEHLER:  a"), Some((Tag::Message(Level::Error), 9)));
        assert_eq!(tag("DÉTAIL :  a"), Some((Tag::Part(Part::Detail), 11)));
        assert_eq!(tag("DEBUG2:  a"), Some((Tag::Message(Level::Debug), 9)));
        assert_eq!(tag("ERROR: a"), None);
        assert_eq!(tag("Note:  a"), None);
    }
}
