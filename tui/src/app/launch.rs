//! Opens the screen, starts its node, and ends both.

use std::{io, time::Duration};

use tokio::sync::mpsc;

use super::{
    draw::draw,
    effect::Effect,
    in_process::{InProcess, Means},
    model::Model,
    runner::{self, Surroundings},
    terminal::FullScreen,
};
use crate::exit::Exit;

/// Messages that wait for the screen.
const MESSAGES_MAX: usize = 1_024;
/// Time to leave the swarms at the end. Short, as people wait for their prompt.
const GRACE: Duration = Duration::from_millis(500);

/// Shows the screen until the user or a signal ends it. `begin`: what is done first.
///
/// # Errors
/// The terminal is gone.
pub(crate) async fn launch(
    model: Model,
    begin: Vec<Effect>,
    mouse: bool,
    means: Means,
    around: &Surroundings,
) -> io::Result<Exit> {
    let mut terminal = FullScreen::open(mouse)?;
    // The first frame does not wait for the node.
    terminal.draw(|frame| draw(&model, frame))?;
    let (messages, inbox) = mpsc::channel(MESSAGES_MAX);
    let node = InProcess::start(means, messages.clone());
    let exit = runner::run(model, terminal, begin, &node, around, (messages, inbox)).await;
    node.end(GRACE).await;
    exit
}
