"""The phrases by which a reply is read: English first, then the usual ones in German, French and Spanish.

They are written in the language of agencies and of the people they write to, from replies as such people write them; no
list of anybody else's is in here.
"""

from dataclasses import dataclass
from typing import Final

from contracts.taxonomy import ReplyClass

MIXED: Final = 0.5
"""What is left of the confidence where signs contradict each other."""
DOUBTED: Final = 0.4
"""And where sarcasm, a condition or a doubled negation may turn a sign round."""


@dataclass(frozen=True, slots=True)
class Rule:
    """Phrases that say one thing.

    Each line is a phrase in the syntax of `re`, in lower case and without accents, in which `…` stands for up to three
    words. A line that begins with `=` must be the whole clause, one with `==` the whole text.
    """

    name: str
    reply_class: ReplyClass | None
    confidence: float
    phrases: str


_UNSUBSCRIBE = (
    Rule(
        "asks_to_unsubscribe",
        ReplyClass.UNSUBSCRIBE,
        0.95,
        r"""
        unsubscribe[ds]?|unsubscribing|unsubcri\w*|unsuscri\w*|unsubsri\w*|unsubscib\w*|unsbscri\w*|unsubscription|unsub|un-subscribe
        opt(ing)?[ -]?(me |us )?out
        optout
        (abmelden|abbestellen|austragen)
        (melden|tragen|nehmen|streichen|loschen|entfernen) sie (mich|uns|meine|unsere) … (ab|aus|liste|verteiler|adresse)
        (desabonner|desinscrire|desabonnez|desinscrivez|desinscription|desabonnement)([ -]moi|[ -]nous)?
        (retirez|supprimez|enlevez)[ -](moi|nous) … (liste|base|fichier)s?
        (darme|darnos|dame|denme|deme) de baja
        (cancelar|anular) (mi |la )?suscripcion
        (eliminenme|borrenme|quitenme|eliminame|borrame|quitame|saquenme)
        =(baja|abmeldung|austragen|stopp)( bitte| por favor)?
        == (stop|stopall|stop all|cancel|end|quit|revoke)( please)?
        """,
    ),
    Rule(
        "asks_to_be_removed",
        ReplyClass.UNSUBSCRIBE,
        0.95,
        r"""
        remove (me|us|my|our|this|the following) … (list|lists|database|db|system|records|address|email|e-mail|mailings?|contacts?|number|name|crm)
        remove (me|us)
        remove … from (your |the |this )*(list|lists|mailing list|database)
        remove (my|our|this) (email|e-mail|mail|address|name|number|contact|details|info|information|data)
        remove (it|him|her|them) from … (list|lists|database|mailings?)
        (take|get|cross|scratch|strike|drop) (me|us|my name|my email|my number|this address) (off|from|out of)
        (delete|erase|purge) (me|my|our|all my|all of my) …(data|details|email|e-mail|address|info|information|number|contact|record|records|list|lists|database|system)
        (delete|erase) (me|us)
        (loschen|entfernen) sie (bitte )?(meine|unsere|alle|diese)
        (supprimez|effacez) (mes|nos|mon|notre) (donnees|coordonnees|adresse|email)
        (borren|eliminen|borre|elimine) (mis|nuestros|mi) (datos|correo|direccion)
        """,
    ),
    Rule(
        "asks_to_stop",
        ReplyClass.UNSUBSCRIBE,
        0.95,
        r"""
        stop (the |these |your |all |any )?(e-?mail|email|mail|messag|contact|writ|spam|call|text|send|bother|harass|pester|reaching|bugging|solicit)\w*
        stop it with the (e-?mails|messages)
        (quit|cease) (e-?mail|email|mail|messag|contact|send|spam|bother|call|text)\w*
        cease and desist
        (don't|do not|never|please not) (ever |you )?(e-?mail|email|mail|contact|message|write|text|call|bother|disturb|spam) (to )?(me|us|here|this|my|again|anymore)
        (don't|do not|never|must not|may not) (ever )?send (me|us|any|anything|this|these|your|more|emails|messages)
        (don't|do not|never) (want|wish|care|like|need) to (receive|get|hear|be contacted|be e-?mailed|see) … (emails?|e-mails?|mails?|messages?|from you|anything|again|any more|anymore|more|these|this|this stuff|further)
        (don't|do not) want (any more|any|more|your|these|further) (emails?|e-mails?|mails?|messages?|mailings?|calls?|contact)
        (no longer|not) (want|wish) to (receive|get|hear|be contacted|be e-?mailed)
        (no more|no further|enough of (the|these|your)) (emails?|e-mails?|mails?|messages?|mailings?|contact|calls?|texts?)
        do not contact
        lose my (number|email|address|contact)
        leave (me|us) alone
        leave me be
        (cease|stop|end) all (communications?|contact|correspondence|emails?|messages?)
        =(please )?(remove|delete|removal)( please| now)?
        (be|been|being|get|am|want) (removed|taken|deleted) (off|from|out)
        (want|like|get me|take me) off (of )?(this|the|your) … (list|database|mailings?)
        (me|nous) (retirer|desinscrire|desabonner|supprimer|enlever|rayer)
        (fuck|piss|bugger|sod|f\*+) off
        go away
        get lost
        =((please|just|now) )?stop( it| this| that| now| please| already)*
        (keine|keinerlei) (weiteren?|mails?|e-?mails?|emails?|nachrichten|werbung) … (mehr|schicken|senden|bitte|wunsche|kontakt)
        keine (weiteren )?(mails?|e-?mails?|emails?|nachrichten|werbung|werbemails|anfragen) mehr
        (schreiben|kontaktieren|belastigen|mailen) sie (mich|mir|uns) … (nicht|nie) (mehr|wieder)
        (horen|hor) (sie )?(bitte )?auf
        lassen sie (mich|uns) in ruhe
        ne (plus )?(me|nous) (plus )?(contacte[rz]|contactez|ecri(re|vez)|envoye[rz]|sollicite[rz])
        ne (m'|nous )(ecrivez|envoyez|contactez)( plus)?
        (arretez|cessez|arreter) (de|vos|d'|ces|tout)
        (laissez|fichez)[ -](moi|nous) (tranquilles?|la paix)
        (dejen?|paren?) de (escribir|enviar|mandar|contactar|molestar)\w*
        no (me|nos) (escriban?|envien?|manden?|contacten?|molesten?|llamen?)
        no (quiero|deseo) (recibir|mas (correos|mensajes|emails))
        """,
    ),
    Rule(
        "calls_it_spam",
        ReplyClass.UNSUBSCRIBE,
        0.85,
        r"""
        (this|that|it) is (just |pure |unsolicited |more )?spam
        (report|reported|reporting|flag|flagged|flagging|mark|marked|marking) … (as )?(spam|junk|phishing)
        (you are|you're) (a )?(spammers?|spamming)
        spammers?
        =(spam|block|blocked|reported)
        (i'm|i am|i've|i have|you're|you are) (blocked|blocking) (you|this)?
        unsolicited (e-?mail|email|mail|message|commercial)s?
        (gdpr|can-spam|dsgvo|rgpd) (request|violation|complaint|breach|verstoss|anfrage)
        (right to erasure|right to be forgotten|article 17|art\.? 17)
        (das ist|reiner) spam
        c'est du spam
        (esto )?es spam
        """,
    ),
)
_NOT_INTERESTED = (
    Rule(
        "says_not_interested",
        ReplyClass.NOT_INTERESTED,
        0.9,
        r"""
        (not|never|\w+n't|no longer|hardly) … interested
        not (really |very |particularly |at all )?(interested|for (us|me)|keen|a (good )?fit|the right fit|something (we|i)|relevant)
        (uninterested|disinterested)
        (no|zero|not any|any|lost) interest
        no interest (in|at)
        (don't|do not|won't|never) (want|wish|care|like|intend|plan) to (meet|talk|chat|speak|discuss|sell|buy|list|move|schedule|pursue|proceed|continue)
        (not|\w+n't) … of … interest
        (i'll|we'll|i will|we will|i'm going to|gonna|going to) (have to |take a )?pass
        =(i )?pass
        (have to|must|will|like to|respectfully|kindly|politely) decline
        =(no|nope|nah|no way|non|nein|no,? (thanks?|thank you|thanx|thx|sir|ma'am)|no thanks|hard pass|no gracias|nein danke|non merci|not for me|not for us|not interested|no interest)( thanks?| thank you| sorry| but thanks?| merci| danke| gracias| at this time| right now)*
        no (thanks?|thank you)
        answer is (still |a )?(definite )?no
        thanks?( you)? but no( thanks?)?
        (don't|do not|doesn't|does not|won't|no) (have (a|any) |see (a|any) |really |actually |currently )?need (for|of|this|it|that|your|one|any|help|to (sell|buy|move))
        (don't|do not) need
        don't have (a|any) (need|use|interest|budget)
        (no|not in the|don't have the|haven't the) budget
        (kein|keinen|keinerlei) (interesse|bedarf)
        nicht (interessiert|mehr interessiert|relevant|notwendig)
        (nein|kein) danke
        (pas|plus|aucunement|nullement) (du tout |vraiment )?interesse(e|s|es)?
        (ne|n') … (interesse|besoin|interessent) (pas|plus)
        (ne|n') … (pas|plus) … (interesse\w*|besoin|interet)
        (pas|aucun|plus) (d'|de )?(interet|besoin)
        non merci
        (no|tampoco) (estoy|estamos|me|nos|esta|le) interes\w+
        (no (tengo|tenemos|hay)|sin|ningun) (ningun )?interes
        no gracias
        no lo necesit\w+
        """,
    ),
    Rule(
        "has_decided_otherwise",
        ReplyClass.NOT_INTERESTED,
        0.85,
        r"""
        (already|just|recently) (have|has|got|sold|bought|purchased|found|signed|hired|chose|chosen|closed|listed|picked|gone|went|own|use|using|work|working|moved|rented|engaged|committed)
        (have|has|had) already (sold|bought|purchased|found|signed|hired|chosen|closed|listed|picked|gone|moved|rented|engaged|got|decided)
        (went|gone|going|go|stick|sticking|staying|stay) with (another|someone|somebody|a different|our (current|existing)|my (current|existing)|the current|a friend|a competitor|other)
        (no longer|not|aren't|isn't|never) (planning|looking|selling|buying|moving|in the market|on the market|for sale|searching|considering|thinking)
        not (currently |actively |really )?(looking|selling|buying|in the market|planning|searching)
        (not|isn't|no longer) for sale
        (happy|satisfied|content|fine|good) with (our|my|the|what|who) … (agent|realtor|broker|provider|vendor|supplier|solution|setup|team|current|existing|have|partner)?
        (decided|chose|elected|opted) (not to|against|to (stay|keep|rent|wait|hold|remain|go with|use|do)|otherwise)
        closed on (a|our|the|my) (house|home|place|property|condo)
        no (plans|intention|intentions|desire|wish) (to|of|on|for)
        (fur|bei) (einen|eine|ein) anderen? … (anbieter|makler|losung|angebot|agentur)? ?entschieden
        (haben|habe) (wir |ich )?uns? … (anders|dagegen) entschieden
        ya (tengo|tenemos|contamos con|trabajamos con)
        (don't|do not) work with (outside|external|other|any|third|agents|agencies|realtors|brokers)
        (changed|change) (my|our) minds?
        (house|home|property|place|it|condo)('s| is| was| has| been| already)* sold
        (not|\w+n't) in a position to
        staying (put|in (our|my|the))
        not selling
        (under|in) contract (already|now|with)
        (all set|all good here|we're covered|i'm covered)
        =(i'm|we're|i am|we are) (good|all good|fine)( thanks?| thank you)*
        (bereits|schon) (verkauft|gekauft|gefunden|vergeben|einen makler|versorgt|einen anbieter)
        (verkaufen|suchen) (wir |ich )?(nicht|nicht mehr|derzeit nicht)
        deja (vendu|achete|trouve|signe|un agent|equipe|un prestataire)
        (ya (he|hemos|lo|la|tengo|tenemos|esta)) (vendido|comprado|encontrado|vendimos|compramos|agente|vendida|contratado|un (agente|proveedor))
        """,
    ),
    Rule(
        "says_not_now",
        ReplyClass.NOT_INTERESTED,
        0.6,
        r"""
        (not|\w+n't) … (at this time|at the moment|right now|for now|just yet|this year|at present|currently|a priority)
        =(maybe|perhaps|possibly)( later| next year| some ?day| another time)?
        =not (now|yet|today|this year)
        (circle|check|come|get|touch|reach) (back|base|in|out)( to (me|us))? … (next|later|after|quarter|months?|q[1-4]|spring|summer|autumn|fall|winter|year)
        (try|contact|ask|ping|call|write) (me|us) (again )?(later|next (year|quarter|month)|in (a few|some|the|[1-9]|six|three|two) ?(months?|spring|summer|autumn|fall|new year|years?|quarters?)?)
        (bad|not a good|not the right|not the best|wrong) (time|timing|moment)
        timing (isn't|is not|is off|is bad)
        too (busy|early|soon)
        (zurzeit|derzeit|momentan|aktuell|im moment) (nicht|kein\w*)
        pas (maintenant|pour le moment|pour l'instant|actuellement)
        (por ahora|de momento|por el momento|ahora mismo) no
        (no|ahora no) (es|por) … momento
        """,
    ),
)
_WRONG_PERSON = (
    Rule(
        "is_not_the_right_person",
        ReplyClass.WRONG_PERSON,
        0.9,
        r"""
        (wrong|incorrect|different) (person|guy|girl|man|woman|contact|number|address|email|e-mail|individual|recipient|department|company|name)
        (not|isn't|\w+n't) … (right|correct|proper|best|appropriate) (person|contact|one|department|address|point of contact|team|email|guy|individual)
        not (the person|who) you('re| are) (looking for|after)
        (have|got|reached|emailed|messaged|contacted|texted|called) the wrong
        (you've|you have|think you) (mistaken|confused) (me|us)
        mistaken identity
        (meant|intended) for (someone|somebody) else
        (not|\w+n't) the (owner|homeowner|seller|landlord|one who)
        (i'm|i am|we're|we are) (just |only )?(the |a )?(tenants?|renters?|renting)
        (i'm|i am|my name is|this is) not … (anymore|any more|he|she|her|him)
        (don't|do not) (own|handle|manage|deal with|look after|take care of|make) (this|that|the|a|any|these|those|such|it)( \w+)? ?(house|home|property|decision|decisions|area|topic|anymore|any more|side|here|purchasing)
        never (owned|lived|had) (a|an|this|that|the|any|there|at) … (house|home|property|address|place|there)?
        (not|isn't) my (department|area|responsibility|job|role|house|property|decision|remit)
        (no longer|not) (in charge|responsible|handle|handling|manage|involved)
        (falsche[rn]?|verkehrte) (person|adresse|ansprechpartner\w*|abteilung|nummer|empfanger)
        (nicht|nicht mehr) (der|die|ihr|mehr der|dafur|hierfur) (richtige[rn]?|zustandig\w*|passende|korrekte)
        nicht (dafur |hierfur |mehr )?zustandig
        (mauvais|mauvaise) (personne|adresse|interlocut\w*|numero|contact|service)
        (pas|plus) (la|le) (bonne|bon) (personne|contact|interlocut\w*|adresse|service)
        (persona|direccion|numero|contacto) (equivocad[oa]|incorrect[oa])
        no soy (la persona|el (contacto|responsable|indicado|encargado)|quien)
        se (ha )?equivoc\w+ de (persona|numero|direccion)
        """,
    ),
    Rule(
        "names_somebody_else",
        ReplyClass.WRONG_PERSON,
        0.8,
        r"""
        (please |best to |better to )(contact|email|e-mail|call|reach out to|write to) (\S+@\S+|\S+ (instead|about|regarding|for (this|that)))
        (want|have|need) to (talk|speak|reach out|write|be talking) (to|with) (the|my|our|someone|somebody) … (else|owner|manager|colleague|boss|department|team)
        (zustandig|ansprechpartner\w*) (ist|sind|ware) (mein|meine|unser|unsere|herr|frau|die|der)
        (ist|ware) … (kolleg\w+|herr \w+|frau \w+|abteilung) … zustandig
        (n'est pas|c'est pas) moi qui
        (should|need to|better|best) (to )?(speak|talk|contact|reach|ask|write|get in touch|be directed|email) (to |with |out to )?(?!me|us)(my|our|the|his|her|\w+@|mr|ms|mrs)
        (please |instead )?(contact|email|reach out to|forward this to) (my|our) (colleague|boss|manager|wife|husband|partner|team|director|assistant|head|office|marketing|sales|hr|purchasing|procurement)
        """,
    ),
    Rule(
        "person_has_left",
        ReplyClass.WRONG_PERSON,
        0.9,
        r"""
        no longer (with|works?|working|employed|at|part of|an employee|a member)
        (doesn't|does not|don't|do not) work (here|there|for (them|that|this|the) \w+|(for|at|with) (them|us|this company|the company))( anymore| any more)?
        (left|leaves) (us|here) (last|in|on|a|some|two|three|years|months|this)
        (number|address|email|e-mail|mailbox|account) … (no longer|doesn't|does not) … (belongs?|is|used)
        (moved|moving|transferred|switched) (to|into) (a|another|a different|a new) … (role|position|team|department|company|job)
        (new (owner|number|email|address) (is|of this))
        (has|have|had) (left|departed|retired|moved on)( from)? ?(the )?(company|firm|organi[sz]ation|team|business|position|role)?
        (left|leaving|departed|quit) (the|our|this) (company|firm|organi[sz]ation|team|business)
        (retired|resigned) (in|last|from|on|this|some|a)
        (passed away|is deceased|has died|died (last|in|on))
        (my|his|her|the) … estate of
        nicht mehr (fur|bei|in) … (tatig|beschaftigt|unternehmen|firma|uns|angestellt|arbeitet)
        (hat|habe) (das|unser|die) (unternehmen|firma|haus) verlassen
        (ne (fait|travaille)|n'est|ne suis|n'y travaille) plus (partie|chez|dans|pour|a|au sein|ici|parmi)
        a quitte (la|l'|notre|le) ?(societe|entreprise|poste|groupe)
        (ya no|no) (trabaja|labora|forma parte|esta) (aqui|en|con|de|mas)
        """,
    ),
)
_OUT_OF_OFFICE = (
    Rule(
        "says_out_of_office",
        ReplyClass.OUT_OF_OFFICE,
        0.9,
        r"""
        out of (the )?office
        (out|away) (from|of) (my|the|our) (desk|office|e-?mail|mail|email|inbox)
        \booo\b
        (on|taking|currently on|start\w*) (annual|maternity|paternity|parental|sick|medical|family|personal|bereavement|my|extended|a) ?(leave|holidays?|vacation|break|sabbatical|trip|pto)
        (on|taking) (leave|vacation|holidays?|pto|sabbatical|furlough)
        (i'm|i am|i'll be|i will be|we're|we are|we will be|office (is|will be)|offices (are|will be)) (currently |now |also |still )?(away|travell?ing|on the road|abroad|closed|unavailable|out (until|till|through|from|this|next|all|sick|today|on|for))
        (away|out|off|closed|unavailable|absent|travell?ing) (until|till|through|from \d)
        (limited|no|intermittent|sporadic|infrequent|little) (or no )?access to (my )?(e-?mails?|mails?|internet|wi-?fi|inbox)
        (will|i'll|shall) (be back|return|be returning|reply|respond|get back)( to (you|your \w+|the office|work))?( as soon as (possible|i can))? (on|upon|when|after|from|my|once|in|at|in the office|to (the )?office)
        (back|returning) (in|to) (the )?(office|work)
        (nicht|aktuell nicht|derzeit nicht) (im (buro|haus)|am arbeitsplatz|erreichbar)
        (im|in|auf) … (urlaub|elternzeit|mutterschutz|dienstreise|geschaftsreise)
        (abwesend|abwesenheitsnotiz|abwesenheit|ausser haus|urlaubsbedingt)
        (absent|absente|en conge|en conges|en vacances|en deplacement|hors du bureau)( jusqu| du| de| pour| actuellement| et| ce| aujourd)?
        (absent|absente) (du|jusqu\w*)
        (de retour) (le|au bureau|a partir|lundi|mardi|mercredi|jeudi|vendredi)
        (fuera de la oficina|de vacaciones|ausente|de baja (medica|maternal|por)|fuera de oficina|de viaje)
        (estare|estaremos) de (vuelta|regreso)
        """,
    ),
)
_AUTO_REPLY = (
    Rule(
        "says_automatic",
        ReplyClass.AUTO_REPLY,
        0.85,
        r"""
        (automated|automatic|auto[ -]?generated|automatically generated) (response|reply|message|e-?mail|email|mail|notification|answer|acknowledge?ment|confirmation)
        (generated|sent|replied) automatically
        auto[ -]?(reply|responder|response)
        (don't|do not|not) (reply|respond|answer) (directly )?to this (e-?mail|email|message|mail)
        (mailbox|inbox|address|account|e-?mail address) (is|are|will)( be)? (not|no longer|un) ?(being )?(monitored|checked|read|in use|active|attended|used)
        (unmonitored|unattended) (mailbox|inbox|address|account)
        (we|we've|we have|i|i've|i have) (have |just )?(received|got|gotten) your (request|e-?mail|email|message|inquiry|enquiry|ticket|mail|query|submission|application)
        your (request|ticket|case|inquiry|enquiry|message|email|e-?mail|application) … (has been|was|is being) (received|created|logged|opened|assigned|registered|processed|submitted)
        (a|your|new) (support )?(ticket|case) (has been|was|is|number|id|#)
        we (aim|try|strive|endeavou?r) to (reply|respond|answer|get back)
        (will|shall) (reply|respond|be in touch|get back to you|answer) … within … (hours|business|working)
        thank you for (contacting|reaching out to|getting in touch with|writing to) (?!me\b)
        (confirm|verify) (that )?(you are|you're) (human|a human|not a robot|a real person)
        automatisch(e|en|er)? (generierte|erstellte|antwort|nachricht|versandt|generiert|erstellt|beantwortet)
        (ihre|deine) (anfrage|nachricht|e-?mail) ist (bei uns )?eingegangen
        (reponse|message) automatique
        (accusons|accuse) (bonne )?reception
        (respuesta|mensaje|correo) automatic[oa]
        hemos recibido su (mensaje|correo|solicitud|consulta)
        """,
    ),
)
_INTERESTED = (
    Rule(
        "says_interested",
        ReplyClass.INTERESTED,
        0.9,
        r"""
        (i'm|i am|we're|we are|definitely|very|quite|really|absolutely|certainly|extremely|still|always|yes|might be|may be|would be|i'd be|we'd be|possibly|potentially|also|both) (?!not |no |never |hardly )(\w+ )?(interested|keen|intrigued)
        =(very |yes |definitely )?interested( in (this|it|that|learning more|hearing more))?( thanks?| please)*
        interested in (learning|hearing|knowing|finding out|seeing|discussing|talking|a (call|demo|meeting)|meeting|selling|buying|this|your|listing)
        (tell|show) (me|us) more
        (like|love|want|wish|happy|glad|keen|open|eager|curious|willing|nice|great|good|able) to (learn|hear|know|see|find out|understand|get) (a bit |a little |some )?(more|about|details)
        (like|love|happy|glad|keen|open|eager|willing|able|ready|free|available|delighted) to (\w+ and )?(have a (chat|call|quick chat|conversation|meeting|look|talk)|chat|talk|meet|connect|discuss|speak|schedule|set up|hop on|jump on|list|sell|buy|view|tour|visit|see (it|the|your|some|what)|arrange|book|explore)
        (i|we) want to (chat|talk|meet|discuss|speak|schedule|list|sell|buy|view|tour|visit|see (it|the)|book)
        (open|receptive) to (an? |the |your |any )?(offers?|idea|proposals?|discussion|conversation|chat|talking|discussing|hearing|selling)
        (like|love|want|need|get|have) (an? |the |your |some )?(free )?(estimate|valuation|quote|appraisal|viewing|tour|consultation|offer|demo|proposal|showing)
        (could|might|would|may|can) be (very |of |really )?(interesting|interest|useful|helpful)
        (wouldn't|would not|don't|do not) mind (hearing|learning|a (chat|call)|talking|meeting|knowing|seeing)
        sounds (good|great|interesting|perfect|promising|intriguing|like a plan|excellent|lovely|fantastic|amazing|awesome|wonderful)
        (that|this|it) would be (really |very )?(great|perfect|wonderful|helpful|lovely|nice|awesome|fantastic)
        (looks|seems|this is) (very |really |quite )?(interesting|promising|intriguing|exactly what)
        (?:^|(i|we|i'd|we'd|i'm|we're|and|also|still|do|am|are) ((?!not |never |no )\w+ ){0,2}?)(want|need|looking|hoping|ready|plan|planning|thinking (of|about)|considering) (to )?(sell|selling|list|listing|buy|buying|move|moving|purchase|purchasing)
        (interessiert mich|bin interessiert|sind interessiert|sehr interessiert|hatte interesse|habe interesse|haben interesse|klingt (gut|interessant|spannend|super))
        (gerne?|freue mich auf) … (mehr|gesprach|termin|telefonat|info\w*|austausch|kennenlernen)
        (suis|sommes|serais|serions|est|tres|vivement) (tres )?interesse(e|s|es)?
        (m'|nous )(interesse|interesserait)
        (volontiers|avec plaisir|dites[ -]m'en plus|en savoir plus)
        (estoy|estamos|estaria|estariamos|muy) (muy )?interesad[oa]s?
        (me|nos) (interesa|interesaria|encantaria|gustaria)
        (suena|parece) (bien|interesante|genial|muy)
        """,
    ),
    Rule(
        "asks_to_talk",
        ReplyClass.INTERESTED,
        0.85,
        r"""
        (let's|lets|let us|can we|could we|shall we|we can|we could|we should|i can|can you|could you|please|happy to|pls|feel free to|you can|you may) (please |definitely |maybe |certainly )?(talk|chat|meet|connect|schedule|set up|set something|book|arrange|hop on|jump on|(do|have) (a|an) (\w+ )?(call|chat|meeting)|discuss|speak|call|ring|phone|give me a|do (it|this|that)|do (monday|tuesday|wednesday|thursday|friday|saturday|sunday|tomorrow))
        (call|ring|phone|text) (me|us) (?!back when you|a )(at|on|any ?time|tomorrow|today|this|next|after|before|between|back|monday|tuesday|wednesday|thursday|friday|when|please|asap|later today|in the|whenever)
        =(please |yes |yes please |sure |ok |okay |just )*(call|ring|phone|text) (me|us)( back)?( please| at \S+| on \S+| asap)*
        give (me|us) a (call|ring|shout|buzz)
        (are you|i'm|i am|we're|we are|i'll be|would be|be) (free|available|around) … (monday|tuesday|wednesday|thursday|friday|saturday|sunday|tomorrow|today|week|morning|afternoon|evening|noon|any ?time|at|for a (call|chat|meeting))
        (monday|tuesday|wednesday|thursday|friday|saturday|sunday|tomorrow|that|this|next week|[0-9]+ ?(am|pm)) (at \S+ |afternoon |morning )*(works|is (good|fine|great|perfect|ok|okay)|would work|suits)
        works for (me|us)
        (i|we) have (some )?time (on )?(monday|tuesday|wednesday|thursday|friday|saturday|sunday|tomorrow|today|next|this|after|at)
        (let me know|send me|what are) (some|a few|your|what|which|when) (\w+ )?(times?|dates?|days?|slots?|availability|you('re| are) (free|available))
        does (that|it|this) (work|suit)
        my (phone |cell |mobile )?number is
        (when|what time|what day|which day|how) (are|is|would|works|can|could|do) (you|we|it|i|best) … (free|available|talk|meet|call|chat|speak|work|book|sign up|get started|proceed|start)?
        (calendly|calendar link|booking link|zoom link|calendar invite)
        (next steps?|how do (we|i) (get started|proceed|start|sign up)|where do i sign|sign me up|count me in|i'm in|we're in)
        (rufen sie (mich|uns)|ruf mich|melden sie sich|konnen wir (telefonieren|sprechen|einen termin))
        (termin (vereinbaren|ausmachen|vorschlagen)|lassen sie uns (telefonieren|sprechen))
        (appelez|rappelez|contactez)[ -](moi|nous)
        (convenir d'un|prendre|fixer un) (rendez-vous|rdv)
        (llamenme|llameme|llamame|podemos (hablar|agendar|reunirnos)|agendar una|agendemos)
        """,
    ),
    Rule(
        "asks_for_more",
        ReplyClass.INTERESTED,
        0.8,
        r"""
        (send|email|e-mail|share|forward|give|provide|get) (me|us|over|through|along) (please |over )?(some |any |more |further |additional |the |your |a |an |all )*(info|information|details?|brochure|pricing|prices|price list|proposal|quote|deck|examples?|case stud\w+|estimate|valuation|listing|listings|link|materials?|presentation|contract|comps|numbers|photos|pictures)
        (send|share|provide|forward) ((more|further|additional|some|the|your|a|any) )*(info|information|details?|pricing|prices|brochure|quote|proposal|references|examples)
        (more|further|additional) (info|information|details)( please| would be| on this| about)?
        (can|could|may) (i|we) (get|have|see) … (price|prices|pricing|quote|estimate|info|information|details|offer|brochure)
        (how much|what) (does|do|would|will|is|are|'s) (it|this|that|you|the|your) … (cost|costs|charge|price|prices|pricing|commission|fees?|rates?|take)
        what('s| is| are) (the|your) (price|cost|costs|pricing|commission|fees?|rates?|terms|asking price|offer)
        (how does|how would) (it|this|that) work
        what (would|could|is|do you think) (my|our) (house|home|property|place) … worth
        (is|are) (?:\S+ ){0,7}?still (available|on the market|for sale|on offer|open)
        =(yes|yes please|yeah|yep|sure|absolutely|definitely|please do|go ahead|of course|yes sir|yes ma'am|ja|ja bitte|ja gerne|gerne|oui|si|si por favor|oui volontiers|claro|yes i am|yes we are|i am|yes i do|yes we do|why not)
        (schicken|senden|mailen) sie (mir|uns) … (info\w*|unterlagen|details|angebot|preis\w*|mehr)
        (mehr|weitere|nahere) (infos?|informationen|details)
        was (kostet|kosten)
        (envoyez|envoyer|transmettez)[ -](moi|nous) … (info\w*|details|tarifs?|devis|documentation|plaquette|brochure)
        (plus|davantage) (d'info\w*|de details|d'informations)
        (combien|quel est le (prix|tarif)|quels sont vos tarifs)
        (envieme|enviame|enviarme|mandeme|mandame|envienme|enviar) … (info\w*|detalles|precios?|presupuesto|mas)
        (mas (info\w*|detalles)|cuanto (cuesta|vale|cobran)|que precio)
        """,
    ),
)
SARCASM = Rule(
    "may_be_sarcastic",
    None,
    DOUBTED,
    r"""
    yeah right
    (oh|wow) (great|good|joy|goody|look|wonderful|fantastic|lovely|sure|another)
    (just|exactly) what (i|we) (needed|wanted|always)
    (thrilled|overjoyed|ecstatic|so excited|so lucky|how lucky|lucky me|how thoughtful|how original|how kind)
    (sure|absolutely|of course) because
    because (i|we) (love|have nothing|just love|really need)
    (made|make) my day
    (?<!with )another (one of these|sales|cold|pitch|generic|template|spam|realtor|robot|bot)
    (lol|lmao|rofl|haha\w*|hahaha|ha ha)
    in your dreams
    when (hell freezes|pigs fly)
    (good luck with|dream on|nice try|as if|big fan of)
    (can't|cannot|could not|couldn't) wait (for|to (get|read|receive|delete)) … (emails?|e-mails?|messages?|spam|one|another|delete)
    (love|adore|enjoy) (getting|receiving|deleting|your spam|spam|being)
    (if|as long as) you pay (me|us)
    (million|billion|trillion) (dollars|bucks|euros)
    (sicher doch|klar doch|sehr witzig)
    """,
)
_DOUBT = Rule(
    "may_mean_the_opposite",
    None,
    DOUBTED,
    r"""
    (if|whether|unless|in case|wenn|falls|si) (i|we|i'm|we're|he|she|they|you're|my|our|ever|ich|wir|je|nous|someone|anyone) …(interested|interest|interesse\w*|interesad\w*|keen|sell|selling|buy|buying|need)
    (if|when) interested
    not (that|because|saying) … (not|no|\w+n't)
    not (uninterested|disinterested|entirely|completely|necessarily|opposed|against)
    (was|were|had been|used to be) (\w+ )?interested
    (who|anyone|somebody|someone|others?|friend|neighbou?r|sister|brother|mother|father|colleague|he|she|they) (who |that )?(is|are|'s|may|might|would|could|will|was)( be)? (\w+ )?interested
    (not sure|unsure|undecided|don't know|do not know|haven't decided|need to think|think about it|let me think|will think)
    (depends|depending) (on|what|how)
    our (seo|services|software|product|agency|team can|platform|developers|offshore|leads)
    (sell|selling|offer|offering) you
    (rather|sooner) (eat|die|chew|be|swallow|set|pull|stick)
    (no way|never ever|over my dead body)
    """,
)
_QUESTIONED = Rule(
    "asks_where_from",
    None,
    MIXED,
    r"""
    (where|how) (did|do|have) you (get|got|find|obtain|acquire|have) (my|our|this|me)
    who (told|says|said)
    who (are you|is this|gave you|am i (speaking|talking))
    (do i|do we) know you
    (lawyer|attorney|legal action|solicitor|sue you|anwalt|avocat|abogado)
    (is this|are you) (a |an )?(bot|robot|ai|scam|real|human|legit|automated)
    woher (haben sie|hast du) (meine|unsere)
    (comment|ou) avez-vous (eu|obtenu|trouve)
    (de donde|como) (sacaron|obtuvieron|saco|obtuvo|consiguio|tienen)
    """,
)
KEPT = Rule(
    "asks_to_go_on",
    None,
    DOUBTED,
    r"""
    keep (sending|emailing|writing|me (posted|on|updated|informed|in the loop)|them coming|in touch)
    """,
)
LIMITS: Final = (SARCASM, _DOUBT, _QUESTIONED, KEPT)
IN_SUBJECTS: Final = (
    Rule(
        "subject_out_of_office",
        ReplyClass.OUT_OF_OFFICE,
        0.95,
        r"""
        out of (the )?office
        ooo
        (on|annual|parental|maternity|paternity|sick) (leave|vacation|holidays?)
        (away from|not in) (the|my) (office|desk|e-?mail)
        (abwesend|abwesenheit\w*|nicht im buro|urlaub)
        (absence|absent|absente) (du bureau|du bureau jusqu\w*|jusqu\w*)
        (message|reponse automatique) d'absence
        (fuera de la oficina|ausente|ausencia|vacaciones)
        """,
    ),
    Rule(
        "subject_automatic",
        ReplyClass.AUTO_REPLY,
        0.9,
        r"""
        (automatic|automated|auto)[ -]?(reply|response|answer|responder)
        autoreply
        automatische (antwort|ruckmeldung)
        reponse automatique
        respuesta automatica
        risposta automatica
        (ticket|case|request) (received|created|#?\d{2,})
        (we|we have|we've) received your
        """,
    ),
)
IN_TEXT: Final = (*_UNSUBSCRIBE, *_NOT_INTERESTED, *_WRONG_PERSON, *_OUT_OF_OFFICE, *_AUTO_REPLY, *_INTERESTED)
"""What the text of a reply says."""
