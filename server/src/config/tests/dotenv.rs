//! The quirks of `.env` files, seen through one text setting.

use super::Place;

fn read(line: &str) -> Result<String, String> {
    let place = Place::new(&[]).file(".env", line);
    place.load().map(|settings| settings.voice.livekit_api_key.unwrap_or_default()).map_err(|faults| faults.to_string())
}

#[test]
fn values_are_read_as_people_write_them() {
    let name = "KEYSTEAD_VOICE__LIVEKIT_API_KEY";
    let rest = "\nKEYSTEAD_VOICE__LIVEKIT_URL=wss://l\nKEYSTEAD_VOICE__LIVEKIT_API_SECRET=s\n";
    for (written, meant) in [
        ("NAME=plain", "plain"),
        ("NAME = spaced out  ", "spaced out"),
        ("export NAME=exported", "exported"),
        ("  export   NAME=exported", "exported"),
        ("NAME=value # a comment", "value"),
        ("NAME=value#no comment", "value#no comment"),
        ("NAME='single # kept'", "single # kept"),
        ("NAME=\"double # kept\" # comment", "double # kept"),
        ("NAME='no \\n escape $HOME'", "no \\n escape $HOME"),
        ("NAME=\"a \\\"quote\\\" and a \\\\ and \\$5 and \\x\"", "a \"quote\" and a \\ and $5 and \\x"),
        ("NAME=pa$$w${HOME}rd", "pa$$w${HOME}rd"),
        ("NAME=a=b==", "a=b=="),
        ("NAME=it's", "it's"),
        ("NAME=first\nNAME=second", "second"),
        ("# NAME=off\n\n   \nNAME=on", "on"),
        ("\u{feff}NAME=after a mark", "after a mark"),
        ("NAME=windows\r", "windows"),
        ("OTHER='over\ntwo lines'\nNAME=next", "next"),
        ("dotted.name=1\nNAME=ok", "ok"),
    ] {
        let text = written.replace("NAME", name) + rest;
        assert_eq!(read(&text).as_deref(), Ok(meant), "{written}");
    }
}

#[test]
fn lines_that_cannot_be_read_are_named_by_number() {
    for (written, line, problem) in [
        ("A=1\nnonsense\n", "line 2", "has no `=`"),
        ("A='1\n2'\n\n9A=1\n", "line 4", "name that is not one"),
        ("A=\"never closed\nPORT=1\n", "line 1", "never closed"),
        ("A='x' y\n", "line 1", "after the closing quote"),
    ] {
        let told = read(written).unwrap_err();
        assert!(told.starts_with(&format!("error: {line} (.env): ")) && told.contains(problem), "{told}");
    }
}

#[test]
fn the_rest_of_a_file_with_a_broken_line_is_still_read() {
    let faults = Place::new(&[]).file(".env", "A=\"open\nPORT=x\n").bad();
    assert_eq!(faults.len(), 2, "{faults:?}");
}

#[test]
fn a_file_that_is_no_text_is_a_fault() {
    let place = Place::new(&[]);
    std::fs::write(place.path(".env"), [0xff, 0xfe, 0x00]).unwrap();
    assert!(place.only_fault().problem.contains("UTF-8"));
}
