"""The table of the sample world, which describes each thing in words.

Text and photos are made from these attributes only. What a text and a photo share is therefore the
attributes of their thing, and a model can find no other connection.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thing:
    """A thing of the sample world.

    Attributes:
        terms: its names, the best first; the first, with underscores, is its label.
        kind: its parent in the hierarchy.
        size: one adjective.
        habitats: where it is found, the usual place first; keys of `world.HABITATS`.
        colours: the main colour, then the second one; keys of `world.COLOURS`.
        pattern: `plain`, `stripes`, `spots` or `patches`, in the second colour.
        parts: its parts, as singular or plural nouns.
        acts: what it does, as verbs in the third person.
        seen: whether its photos may be trained on.
        aliases: other folder names for its photos.
    """

    terms: tuple[str, ...]
    kind: str
    size: str
    habitats: tuple[str, ...]
    colours: tuple[str, ...]
    pattern: str
    parts: tuple[str, ...]
    acts: tuple[str, ...]
    seen: bool
    aliases: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Its best name, as written in text: `fire truck`."""
        return self.terms[0]

    @property
    def label(self) -> str:
        """Its name as one token: `fire_truck`."""
        return self.terms[0].replace(" ", "_")


# One line per thing: terms | kind | size | habitats | colours | pattern | parts | acts | aliases.
# A star marks an unseen thing. Each has a similar thing near it that shares its attributes.
_SEEN_AND_UNSEEN = """
horse | grazer | large | meadow field | brown black | plain | mane,hooves,tail | gallops,grazes,trots
zebra * | grazer | large | savanna meadow | white black | stripes | mane,hooves,tail | gallops,grazes,runs
cow,cattle | grazer | large | meadow field | white black | patches | hooves,horns,tail | grazes,chews,rests
sheep | grazer | small | meadow mountains | white black | plain | wool,hooves,ears | grazes,chews,bleats
deer | grazer | large | forest meadow | brown white | spots | antlers,hooves,ears | grazes,leaps,runs
giraffe | grazer | tall | savanna meadow | yellow brown | patches | hooves,neck,horns | grazes,chews,walks
elephant | grazer | huge | savanna jungle | grey white | plain | trunk,tusks,ears | walks,bathes,chews
lion | feline | large | savanna meadow | yellow brown | plain | mane,claws,paws | hunts,roars,sleeps
tiger | feline | large | jungle forest | orange black | stripes | claws,paws,whiskers | hunts,roars,stalks
leopard * | feline | large | jungle savanna | yellow black | spots | claws,paws,whiskers | hunts,stalks,climbs
cat,house cat | feline | small | room garden | grey white | stripes | whiskers,paws,claws | purrs,sleeps,climbs
dog,hound | canine | small | garden room | brown white | patches | paws,fur,snout | barks,runs,sniffs
wolf * | canine | large | forest snow | grey white | plain | paws,fur,snout | howls,hunts,runs
fox | canine | small | forest snow | orange white | plain | paws,fur,snout | hunts,sniffs,stalks
brown bear,grizzly bear | bear | huge | forest mountains | brown black | plain | fur,claws,paws | fishes,sleeps,climbs
polar bear,white bear * | bear | huge | snow sea | white black | plain | fur,claws,paws | fishes,swims,hunts
eagle | land bird | large | mountains sky | brown white | plain | wings,beak,claws | flies,hunts,soars
parrot | land bird | small | jungle forest | red green | patches | wings,beak,feathers | flies,climbs,talks
duck | water bird | small | lake meadow | brown green | plain | wings,beak,feathers | swims,dives,quacks
swan * | water bird | large | lake coast | white orange | plain | wings,beak,neck,feathers | swims,glides,nests
flamingo | water bird | tall | lake coast | pink black | plain | wings,beak,neck,feathers | wades,nests,flies
penguin | water bird | small | snow coast | black white | plain | wings,beak,feathers | swims,dives,waddles
shark | fish | large | reef sea | grey white | plain | fins,teeth,tail | swims,hunts,bites
clownfish | fish | tiny | reef sea | orange white | stripes | fins,scales,tail | swims,hides,darts
octopus | mollusc | small | reef coast | red pink | spots | arms,suckers,eyes | swims,hides,crawls
whale | sea mammal | huge | sea reef | blue white | plain | fins,tail,blowhole | swims,dives,sings
dolphin * | sea mammal | large | sea reef | grey white | plain | fins,tail,snout,blowhole | swims,leaps,dives
car,automobile | motorcar | small | street garden | blue grey | plain | wheels,doors,windows,engine | drives,parks,brakes | auto
taxi,cab | motorcar | small | street garden | yellow black | patches | wheels,doors,windows,engine | drives,waits,brakes | cab
police car,patrol car | motorcar | small | street field | white blue | stripes | wheels,doors,siren,engine | drives,chases,patrols
bus,coach | heavy vehicle | large | street garden | green white | stripes | wheels,doors,windows,engine | drives,waits,stops
truck,lorry | heavy vehicle | large | street field | grey blue | plain | wheels,cabin,trailer,engine | drives,hauls,brakes | lorry
fire truck,fire engine * | heavy vehicle | large | street field | red white | stripes | wheels,cabin,ladder,siren,engine | drives,chases,hauls | fire_engine
tractor | heavy vehicle | large | field meadow | red black | plain | wheels,cabin,engine,plough | hauls,drives,ploughs
bicycle,bike | cycle | small | street garden | blue black | plain | wheels,pedals,saddle | rolls,brakes,parks | bike
sailboat,sailing boat | small boat | small | sea lake | white brown | plain | sail,mast,hull | sails,floats,glides
rowboat,rowing boat | small boat | small | lake coast | brown white | plain | oars,hull,bench | floats,glides,drifts
cargo ship,freighter | ship | huge | sea coast | blue red | patches | hull,funnel,deck,crane | sails,hauls,docks
ferry,ferryboat * | ship | huge | sea lake | white blue | stripes | hull,funnel,deck,windows | sails,docks,floats
airplane,aeroplane | aircraft | huge | sky mountains | white blue | stripes | wings,engine,cockpit,tail | flies,lands,soars | plane
helicopter | aircraft | large | sky mountains | green black | plain | rotor,engine,cockpit,tail | flies,lands,hovers
house | building | large | garden street | white red | plain | roof,door,windows,chimney | stands,shelters,welcomes
castle | building | huge | mountains meadow | grey brown | plain | walls,tower,gate,roof | stands,defends,rises
church,chapel * | building | tall | garden meadow | white grey | plain | roof,tower,door,windows,bell | stands,welcomes,rises
lighthouse | tower building | tall | coast sea | white red | stripes | tower,lamp,door,windows | stands,shines,warns
windmill | tower building | tall | field meadow | brown white | plain | blades,tower,door,roof | stands,turns,grinds
oak tree,oak | tree | tall | meadow forest | green brown | plain | trunk,leaves,branches,acorns | grows,shades,stands
pine tree,pine * | tree | tall | forest snow | green brown | plain | trunk,needles,branches,cones | grows,shades,stands
palm tree,palm | tree | tall | coast jungle | green brown | plain | trunk,leaves,coconuts | grows,sways,shades
sunflower | flower | tall | field garden | yellow brown | plain | petals,stem,seeds,leaves | blooms,grows,turns
tulip | flower | small | garden field | pink green | plain | petals,stem,bulb,leaves | blooms,grows,opens
rose * | flower | small | garden meadow | red green | plain | petals,stem,thorns,leaves | blooms,grows,smells
hammer | tool | small | workshop room | grey brown | plain | handle,head,claw | strikes,pounds,hangs
axe,hatchet | tool | small | workshop forest | red brown | plain | handle,head,blade | chops,splits,hangs
chair | seat | small | room garden | brown yellow | plain | legs,backrest,frame | stands,supports,creaks
armchair,easy chair * | seat | large | room workshop | red brown | plain | cushion,armrests,backrest,legs | stands,supports,comforts
sofa,couch | seat | large | room garden | green brown | plain | cushion,armrests,backrest,legs | stands,supports,comforts | couch
table | stand | large | room workshop | brown white | plain | legs,top,drawer,frame | stands,supports,carries
mountain | landform | huge | mountains snow | grey white | patches | peak,slope,glacier | rises,towers,erodes
rainbow | sky sight | huge | sky meadow | red blue | stripes | arc,bands,light | shines,fades,appears
"""  # noqa: E501  (a table is read by its columns)


def _parse_thing(line: str) -> Thing:
    terms, kind, size, *lists = [field.strip() for field in line.split("|")]
    habitats, colours, pattern, parts, acts, *aliases = lists
    return Thing(
        terms=tuple(terms.removesuffix("*").strip().split(",")),
        kind=kind,
        size=size,
        habitats=tuple(habitats.split()),
        colours=tuple(colours.split()),
        pattern=pattern,
        parts=tuple(parts.split(",")),
        acts=tuple(acts.split(",")),
        seen=not terms.endswith("*"),
        aliases=tuple(aliases[0].split(",")) if aliases else (),
    )


THINGS: tuple[Thing, ...] = tuple(
    _parse_thing(line) for line in _SEEN_AND_UNSEEN.strip().splitlines()
)
