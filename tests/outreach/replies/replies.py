"""Replies as people and machines write them, made up, each with what it says.

A class of None is a reply that a person has to read; a class with a question mark, one whose class may be guessed but must not be trusted.
"""

TABLE = """
interested | Yes, I'm interested. Can you call me tomorrow afternoon?
interested | Sounds good! Let's set up a time to talk next week.
interested | Hi, thanks for reaching out. We are thinking of selling in the spring and would love to know what the house is worth.
interested | Could you send me more information about your fees?
interested | How much do you charge?
interested | What's your commission?
interested | Tell me more.
interested | I'd like to learn more about this
interested | Yes please
interested | yes
interested | Sure, send over the details
interested | Interested. Call me at 555 0100 after 5pm.
interested | Tuesday at 10 works for me.
interested | Are you available Thursday morning for a quick chat?
interested | When can we talk?
interested | This looks really interesting, happy to chat.
interested | Is the house on Maple Street still available?
interested | We're definitely interested, please send a proposal.
interested | I'm very interested in selling. What would my house be worth?
interested | Please call me back
interested | Count me in!
interested | ok great, what are the next steps?
interested | Happy to hop on a call. Here's my Calendly link.
interested | I can't wait to talk about this, call me anytime
interested | No problem, send me the info.
interested | Don't hesitate to call me on Monday.
interested | Why not, let's talk.
interested | I wouldn't mind hearing more.
interested | Absolutely. We are looking to buy a 3 bedroom before June
interested | Can you share pricing and a couple of case studies?
interested | We need to sell quickly, can you help?
interested | Who wouldn't be? I'm keen, let's schedule a call
interested | Klingt interessant, bitte senden Sie mir mehr Informationen.
interested | Ich bin interessiert. Wann können wir telefonieren?
interested | Gerne, rufen Sie mich morgen an.
interested | Was kostet das?
interested | Bonjour, je suis intéressé, pouvez-vous m'appeler ?
interested | Oui, volontiers
interested | Envoyez-moi plus d'informations s'il vous plaît.
interested | Quel est le prix ?
interested | Estoy interesado, llámeme mañana.
interested | Me interesa. ¿Cuánto cuesta?
interested | Envíeme más información por favor
not_interested | Not interested.
not_interested | not interested thanks
not_interested | No thanks
not_interested | No, thank you.
not_interested | No
not_interested | Nope.
not_interested | Hi John, thanks for the message but we're not interested at this time.
not_interested | I'm afraid this isn't something we're interested in.
not_interested | We aren't interested
not_interested | I am no longer interested, thanks.
not_interested | I have no interest in selling my home.
not_interested | We'll pass, thanks
not_interested | I'll have to respectfully decline.
not_interested | We already have an agent.
not_interested | We just sold our house last month, so no need.
not_interested | I've already found a place, thank you
not_interested | We're happy with our current agent.
not_interested | We are not looking to sell.
not_interested | The property is not for sale.
not_interested | We decided to stay put. Changed our minds.
not_interested | Don't need it.
not_interested | I don't think this is a good fit for us, not for us.
not_interested | im not interested
not_interested | I’m not interested
not_interested | I would not be interested in a call.
not_interested | We don't want to meet, thanks
not_interested | I never said I was looking to sell. No thanks.
not_interested | We went with another agency.
not_interested | Kein Interesse.
not_interested | Nein danke
not_interested | Wir sind nicht interessiert.
not_interested | Wir haben bereits einen Makler.
not_interested | Danke, aber wir haben keinen Bedarf.
not_interested | Non merci.
not_interested | Nous ne sommes pas intéressés.
not_interested | Je ne suis pas intéressée, merci
not_interested | Nous avons déjà vendu.
not_interested | No, gracias.
not_interested | No estoy interesado.
not_interested | No nos interesa
unsubscribe | Unsubscribe
unsubscribe | UNSUBSCRIBE
unsubscribe | unsubscribe me please
unsubscribe | Please unsubscribe me from this list.
unsubscribe | Stop
unsubscribe | STOP.
unsubscribe | Please stop.
unsubscribe | Stop emailing me!
unsubscribe | Please stop contacting me.
unsubscribe | Take me off your list.
unsubscribe | Remove me from your mailing list immediately
unsubscribe | please remove my email address from your database
unsubscribe | Please remove me
unsubscribe | Delete my data under GDPR.
unsubscribe | Do not contact me again.
unsubscribe | Don't ever email me again
unsubscribe | dont email me
unsubscribe | I don't want to receive any more emails from you
unsubscribe | I do not wish to be contacted.
unsubscribe | Opt out
unsubscribe | I would like to opt-out of these messages
unsubscribe | Leave me alone
unsubscribe | Fuck off
unsubscribe | This is spam. I'm reporting you.
unsubscribe | Lose my number.
unsubscribe | I can't unsubscribe from these, there is no link!
unsubscribe | How do I unsubscribe?
unsubscribe | Why don't you stop emailing me?
unsubscribe | No more emails please
unsubscribe | Not interested, please remove me from your list.
unsubscribe | I was interested last year but please unsubscribe me now
unsubscribe | We're interested in your listing, but stop sending the newsletter.
unsubscribe | Wrong person. Remove me.
unsubscribe | QUIT
unsubscribe | Cease and desist.
unsubscribe | Quit emailing me
unsubscribe | Never contact me again, thanks
unsubscribe | Bitte melden Sie mich vom Verteiler ab.
unsubscribe | Abmelden
unsubscribe | Bitte keine weiteren E-Mails mehr.
unsubscribe | Schreiben Sie mir nicht mehr.
unsubscribe | Löschen Sie bitte meine Daten.
unsubscribe | Désabonnez-moi
unsubscribe | Merci de me désinscrire de votre liste
unsubscribe | Arrêtez de m'écrire.
unsubscribe | Ne me contactez plus
unsubscribe | Quiero darme de baja
unsubscribe | Baja
unsubscribe | No me escriban más
unsubscribe | Dejen de enviar correos
wrong_person | Wrong person.
wrong_person | You have the wrong number
wrong_person | I'm not the right person for this, please contact my colleague in purchasing.
wrong_person | I think you've got the wrong person, I never owned a house there.
wrong_person | I no longer work at this company.
wrong_person | She has left the company.
wrong_person | I don't handle this anymore. You should speak to our facilities manager.
wrong_person | Not my department, sorry
wrong_person | You've reached the wrong email address, I am not Robert.
wrong_person | He doesn't work here anymore
wrong_person | I am not the decision maker here. Please reach out to our marketing team
wrong_person | He passed away in March.
wrong_person | Falsche Person
wrong_person | Ich bin dafür nicht zuständig.
wrong_person | Herr Meier ist nicht mehr bei uns tätig.
wrong_person | Vous vous trompez, mauvaise personne.
wrong_person | Je ne suis pas la bonne personne.
wrong_person | Se equivocó de persona
wrong_person | Ella ya no trabaja aquí.
out_of_office | I am out of the office until January 5 with limited access to email.
out_of_office | I'm on vacation until Monday.
out_of_office | I am currently on annual leave and will return on 4 January.
out_of_office | I'm travelling this week and will get back to you on Monday
out_of_office | OOO until Jan 4. For urgent matters call the front desk.
out_of_office | I am on maternity leave. Please contact my colleague in the meantime.
out_of_office | Our offices are closed for the holidays from December 24 to January 1.
out_of_office | Ich bin bis zum 7. Januar im Urlaub.
out_of_office | Ich bin derzeit nicht im Büro und ab dem 7. Januar wieder erreichbar.
out_of_office | Je suis absente du bureau jusqu'au 3 janvier.
out_of_office | Estoy fuera de la oficina hasta el 7 de enero.
auto_reply | This is an automated response. Your message has been received.
auto_reply | Thank you for contacting Example Support. Your ticket #48213 has been created.
auto_reply | We have received your email and will respond within 24 hours. Please do not reply to this email.
auto_reply | This mailbox is not monitored.
auto_reply | Please confirm that you are human by clicking the link.
auto_reply | Dies ist eine automatisch generierte Nachricht.
auto_reply | Ihre Anfrage ist bei uns eingegangen.
auto_reply | Ceci est une réponse automatique.
auto_reply | Este es un mensaje automático.
? | Thanks
? | Ok
? | Hmm
? | 👍
? | Who is this?
? | How did you get my email?
? | My lawyer will be in touch.
? | I'll think about it.
? | Maybe later
? | Not now, maybe next year
? | Reach out again in the spring
? | Oh great, another realtor. Just what I needed. Sure, sign me up.
? | Yeah right, I'm so interested 🙄
? | Sure, because I love getting these. Call me when hell freezes over.
? | I'm thrilled. Can't wait for your next email.
? | Please don't stop sending these, I love them
? | Do not unsubscribe me please
? | If I were interested I would have answered.
? | We'll let you know if we're interested.
? | My neighbour might be interested, not sure.
? | It's not that I'm not interested, it depends on the price.
? | I was interested but that was years ago
? | Interested, but not the right person
? | We already have an agent but I'm interested in your price, tell me more
? | asdf qwer zxcv
? | The weather has been lovely here in Ohio.
? | See attached.
? | I'm on holiday until Monday but very interested, call me then.
? | Are you a bot?
? | Ja aber sicher doch, ich bin sehr interessiert
? | 1
interested | Good timing! We were just talking about putting the place on the market. Give me a ring.
interested | Hey Sam, sure thing, I have time Wednesday 3pm. Does that work?
interested | Yes I would like an estimate for 14 Elm.
interested | Please forward the brochure.
interested | What are your rates and how long does it usually take?
interested | I might be open to an offer if the price is right.
interested | Could be interesting. Let me know some times that work for you
interested | I'd be happy to have a chat. My number is 555 0199.
interested | Thanks for following up! Yes let's do it.
interested | We'd love to come and see it this weekend.
interested | Send me a link to book
interested | ok call me
not_interested | Appreciate the follow up but we're all set.
not_interested | We've decided to rent instead, thank you for your help.
not_interested | Sorry, we closed on a house two weeks ago.
not_interested | I'm good, thanks!
not_interested | Thanks for your email. At this stage it isn't of interest to us.
not_interested | We don't work with outside agencies.
not_interested | Not for us I'm afraid.
not_interested | I already signed with Jenny from another brokerage.
not_interested | My house is not on the market and won't be.
not_interested | Please note we have no plans to move.
not_interested | No interest, thx
not_interested | Leider kein Bedarf.
not_interested | Danke für die Nachricht, wir haben uns für einen anderen Anbieter entschieden.
not_interested | Merci mais nous avons déjà un prestataire.
not_interested | Gracias pero ya tenemos proveedor.
unsubscribe | Kindly take my name off of this list
unsubscribe | Enough. Stop.
unsubscribe | please stop sending me these emails
unsubscribe | Remove
unsubscribe | REMOVE ME
unsubscribe | Can you please unsubscribe this address?
unsubscribe | I have asked three times now to be removed from this list.
unsubscribe | I want off this list
unsubscribe | Do not email me any more
unsubscribe | Stop texting this number
unsubscribe | You need to stop contacting my mother.
unsubscribe | I never signed up for this. Delete my address.
unsubscribe | Please cease all communication.
unsubscribe | Don't contact me anymore please
unsubscribe | Bitte nehmen Sie mich aus dem Verteiler.
unsubscribe | Ich möchte keine Werbung mehr erhalten
unsubscribe | Veuillez me retirer de votre liste de diffusion
unsubscribe | Por favor elimínenme de su lista
unsubscribe | No quiero recibir más correos
wrong_person | This isn't Mike. You've got the wrong guy.
wrong_person | I sold that company in 2019, you'll want to talk to the new owner.
wrong_person | I'm just the receptionist, best to email info@example.com
wrong_person | Maria left us last summer.
wrong_person | This number no longer belongs to her
wrong_person | I don't own any property in Dublin.
wrong_person | I've moved to another role, please reach out to Jim instead
wrong_person | Hierfür ist meine Kollegin zuständig.
wrong_person | Ce n'est pas moi qui gère cela.
out_of_office | I'm off until the 4th, back then!
out_of_office | Hello, I will be out of office returning Monday 4th January. If urgent, please contact Anna.
out_of_office | Thank you for your message. I am away at a conference and will reply when I return on the 12th of January.
out_of_office | Vielen Dank für Ihre Nachricht. Ich bin bis einschließlich 6. Januar nicht im Haus. Ihre E-Mail wird nicht weitergeleitet.
out_of_office | Bonjour, je suis en congés jusqu'au 4 janvier. En cas d'urgence, contactez Paul.
auto_reply | Thanks for your email! We aim to reply within two business days.
auto_reply | Your message was received and a case number has been assigned.
? | lol no way am I selling to you people, but what would you pay me
? | What?
? | Maybe in a couple of years.
? | Let me talk to my wife
? | I don't know, what do you have in mind
? | Not until rates come down
? | Wow, a realtor emailing me. How original. Sign me up.
? | I'm not saying no
? | How do you know my address?
? | I'd rather eat glass than list with you.
? | You again
? | fine
? | We are interested in selling you our SEO services, tell me more about your website
? | Hello, yes we might sell next year, what do you think our place could go for?
? | Perfect, Thursday it is. Talk then!
interested | I would appreciate some more info on the process
interested | Can I get a ballpark price?
interested | Please give me a ring on 555 0144, evenings are best.
interested | Hi there! Is this still on offer?
interested | That would be great, thank you
interested | OK let's do a quick call
interested | We'd be open to discussing this further.
interested | send details
not_interested | Thank you for thinking of us but we don't have any need for this.
not_interested | Not selling.
not_interested | I appreciate your persistence but the answer is no.
not_interested | We're staying in our home forever :)
? | Nah I'm ok
not_interested | We've just listed with another realtor
not_interested | House sold in June, thanks anyway.
not_interested | Unfortunately this is not something we would consider.
not_interested | I'm not in a position to buy.
not_interested | We do this in house so no thank you
unsubscribe | take me off
unsubscribe | I did not sign up for this, remove my details
unsubscribe | Please stop these emails
unsubscribe | Do NOT send me anything else!!!
unsubscribe | This is the third email. Please stop contacting my business or I will report you.
unsubscribe | pls remove from list
unsubscribe | Unsubcribe
unsubscribe | No more messages. Thank you.
unsubscribe | please delete me from your records
unsubscribe | Could you please not email me again?
wrong_person | Hi, I think this was meant for someone else.
wrong_person | I'm renting here, I'm not the owner.
wrong_person | John retired in May, his successor is Kate Brown.
wrong_person | You should ask my husband, he deals with the house stuff.
wrong_person | Sorry, wrong email.
wrong_person | I am not in charge of procurement, that would be Lena Fox.
out_of_office | Greetings! I am enjoying some time off and will be back at my desk on January 4th.
out_of_office | I'm currently traveling with limited access to email.
out_of_office | Hi, I'll be out of the office from 12/24 through 1/3.
auto_reply | Thank you for your email. This is an automatic acknowledgment that we received your message.
auto_reply | Your email has been received. A member of our team will respond within 48 hours.
? | Can you explain?
? | Who told you I want to sell?
? | not sure yet, ask me when the kids are out of school
? | You people never give up, do you
? | Sold!
? | I'd be interested if you paid me a million dollars
? | what's this about
? | ???
? | Sure thing buddy, keep dreaming
"""


def table() -> list[tuple[str | None, str]]:
    """Each reply with its class, None where a person has to read it."""
    rows = [line.split(" | ", 1) for line in TABLE.strip().split("\n")]
    return [(None if expected == "?" else expected, text) for expected, text in rows]
