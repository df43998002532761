//! Exactly one row and exactly one event for each job, whatever crashes on the way: real workers against real servers,
//! killed, stopped and cut off at named places.

mod endings;
mod kills;
mod order;
mod outages;
mod poison;
mod replies;
mod rescues;
mod scene;
mod stops;
mod storm;
