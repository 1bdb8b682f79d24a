namespace Dma.Lab;

/// <summary>Makes a program smaller as long as it violates the same: fewer steps, fewer VMs and devices, or one for two, simpler arguments.</summary>
/// <param name="invariant">What must still be violated.</param>
/// <param name="triesMax">How many programs are played at most.</param>
internal sealed class WorldShrinker(string invariant, int triesMax = 4000)
{
    private int _tries;

    /// <summary>Shrinks a program.</summary>
    /// <returns>The smallest one that was found.</returns>
    public WorldProgram Shrink(WorldProgram program)
    {
        int size;
        do
        {
            size = program.ToString().Length;
            program = DropSteps(program);
            program = DropNames(program);
            program = MergeNames(program);
            program = SimplifyWorld(program);
            program = SimplifyArguments(program);
        }
        while (program.ToString().Length < size && _tries < triesMax);
        return program;
    }

    private bool StillFails(WorldProgram program) =>
        _tries++ < triesMax && WorldPlayer.Play(program)?.Violation.Invariant == invariant;

    private WorldProgram DropSteps(WorldProgram program)
    {
        for (int piece = (program.Steps.Count + 1) / 2; piece > 0; piece /= 2)
        {
            // From the end: what comes later depends on what comes before.
            for (int at = program.Steps.Count - piece; at >= 0; at -= piece)
            {
                if (at + piece > program.Steps.Count)
                    continue;
                WorldProgram shorter = program with { Steps = [.. program.Steps.Take(at), .. program.Steps.Skip(at + piece)] };
                if (StillFails(shorter))
                    program = shorter;
            }
        }

        return program;
    }

    private WorldProgram DropNames(WorldProgram program)
    {
        for (int guest = program.Guests.Count - 1; guest >= 0 && program.Guests.Count > 1; guest--)
            program = Try(program, ProgramRenaming.WithoutGuest(program, guest));
        for (int device = program.Devices.Count - 1; device >= 0 && program.Devices.Count > 1; device--)
            program = Try(program, ProgramRenaming.WithoutDevice(program, device));
        return program.HasWitness ? Try(program, ProgramRenaming.WithoutWitness(program)) : program;
    }

    // What takes two only because chance gave it to two.
    private WorldProgram MergeNames(WorldProgram program)
    {
        for (int guest = program.Guests.Count - 1; guest > 0; guest--)
        {
            for (int other = guest - 1; other >= 0 && guest < program.Guests.Count; other--)
                program = Try(program, ProgramRenaming.WithMergedGuests(program, guest, other));
        }

        for (int device = program.Devices.Count - 1; device > 0; device--)
        {
            for (int other = device - 1; other >= 0 && device < program.Devices.Count; other--)
            {
                if (program.Devices[device].Kind == program.Devices[other].Kind)
                    program = Try(program, ProgramRenaming.WithMergedDevices(program, device, other));
            }
        }

        return program;
    }

    private WorldProgram SimplifyWorld(WorldProgram program)
    {
        WorldProgram plain = new();
        program = Try(program, program with { Profile = plain.Profile, Scalable = false, Delivery = plain.Delivery });
        program = Try(program, program with { Seed = 0 });
        program = Try(program, program with { Guests = [.. program.Guests.Select(Plain)] });
        for (int guest = 0; guest < program.Guests.Count; guest++)
        {
            WorldGuestSpec now = program.Guests[guest];
            program = Try(program, WithGuest(program, guest, Plain(now)));
            program = Try(program, WithGuest(program, guest, Small(now)));
        }

        return program;
    }

    // One with a remapping unit of its own stays as large as that takes.
    private static WorldGuestSpec Small(WorldGuestSpec guest) =>
        guest.HasIommu ? guest : Plain(guest) with { Policy = guest.Policy };

    private static WorldGuestSpec Plain(WorldGuestSpec guest) => new(guest.Name, Math.Min(guest.Pages, 4));

    private static WorldProgram WithGuest(WorldProgram program, int guest, WorldGuestSpec spec) =>
        program with { Guests = [.. program.Guests.Select((other, index) => index == guest ? spec : other)] };

    private WorldProgram SimplifyArguments(WorldProgram program)
    {
        for (int step = 0; step < program.Steps.Count; step++)
        {
            for (int argument = 0; argument < program.Steps[step].Arguments.Count; argument++)
            {
                WorldStep now = program.Steps[step];
                foreach (Argument simpler in now.Verb.ParameterOf(argument).Simpler(now.Arguments[argument]))
                {
                    Argument[] arguments = [.. now.Arguments];
                    arguments[argument] = simpler;
                    WorldProgram changed = program with { Steps = [.. program.Steps.Take(step), now with { Arguments = arguments }, .. program.Steps.Skip(step + 1)] };
                    if (!StillFails(changed))
                        continue;
                    program = changed;
                    break;
                }
            }
        }

        return program;
    }

    private WorldProgram Try(WorldProgram program, WorldProgram simpler) =>
        simpler.ToString() != program.ToString() && StillFails(simpler) ? simpler : program;
}
