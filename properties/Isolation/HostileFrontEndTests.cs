using Dma.Machine;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Whatever a front end writes into its rings and grants, the back end keeps to what was granted and answers each request once.</summary>
public sealed class HostileFrontEndTests
{
    private const int StepsMax = 40;
    private const int ProgramsUsual = 300;

    /// <summary>Programs of hostile front ends.</summary>
    internal static Arbitrary<FrontEndStep[]> Programs => Generate.Program(
        from kind in Gen.Frequency(
            (12, Gen.Constant(FrontEndAct.Request)),
            (5, Gen.Constant(FrontEndAct.Grant)),
            (5, Gen.Constant(FrontEndAct.Wait)),
            (2, Gen.Constant(FrontEndAct.Unlink)),
            (1, Gen.Elements(FrontEndAct.Noise, FrontEndAct.Notify, FrontEndAct.Table)),
            (1, Gen.Elements(FrontEndAct.Reconnect, FrontEndAct.Restart, FrontEndAct.Replug, FrontEndAct.Replug, FrontEndAct.Jump, FrontEndAct.Rewrite, FrontEndAct.Flood)))
        from numbers in Generate.Any64
        select new FrontEndStep(kind, (uint)numbers, (uint)(numbers >> 32)),
        StepsMax);

    [Fact]
    public void No_program_of_a_front_end_reaches_what_was_not_granted_or_goes_without_an_answer()
    {
        FrontEndTally tally = new();
        FakeHostUsb stack = Play(tally);
        tally.AssertMuchHappened(stack);
    }

    [Theory]
    [InlineData(nameof(TrustingGrants), "and not granted")]
    [InlineData(nameof(WritingGrants), "written and not granted")]
    [InlineData(nameof(RememberingGrants), "and not granted")]
    [InlineData(nameof(HastyGrants), "nobody pinned")]
    public void A_back_end_with_one_rule_less_is_found(string fault, string where)
    {
        Func<VirtualMachine, IGrants> grants = fault switch
        {
            nameof(TrustingGrants) => machine => new TrustingGrants(machine),
            nameof(WritingGrants) => machine => new WritingGrants(machine.Grants),
            nameof(RememberingGrants) => machine => new RememberingGrants(machine),
            _ => machine => new HastyGrants(machine.Grants),
        };
        Assert.Contains(where, Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Play(new(), grants)).Message, StringComparison.Ordinal);
    }

    private static FakeHostUsb Play(FrontEndTally tally, Func<VirtualMachine, IGrants>? grants = null)
    {
        using Host host = AssignmentWorld.Small();
        host.Boot();
        FakeHostUsb stack = new(host);
        int seed = 0;
        Property.Check(
            grants is null ? Programs : Arb.From(Programs.Generator),
            program =>
            {
                using HostileFrontEnd guest = new(host, seed, tally, new HostGround(host, stack, grants));
                seed++;
                guest.Play(program);
            },
            ProgramsUsual);
        return stack;
    }

    private static bool IsRing(uint grant) => grant is FrontEndMemory.RingGrant or FrontEndMemory.PlugGrant;

    /// <summary>Keeps to the rules for the rings alone; what it does about other grants is up to it.</summary>
    private abstract class CarelessGrants(VirtualMachine machine) : IGrants
    {
        public bool TryTake(uint grant, bool isWritten, out GrantedPage page)
        {
            if (IsRing(grant))
                return machine.Grants.TryTake(grant, isWritten, out page);
            page = default;
            if (Find(grant, isWritten) is not { } frame)
                return false;
            machine.Host.Frames.Pin(frame);
            page = new(grant, frame, isWritten);
            return true;
        }

        public void Return(GrantedPage page)
        {
            if (IsRing(page.Grant))
                machine.Grants.Return(page);
            else
                machine.Host.Frames.Unpin(page.Frame);
        }

        protected abstract PhysicalAddress? Find(uint grant, bool isWritten);
    }

    /// <summary>Takes the number of a grant for that of a page, and looks at no table.</summary>
    private sealed class TrustingGrants(VirtualMachine machine) : CarelessGrants(machine)
    {
        private readonly GuestMemory _memory = machine.Memory;

        protected override PhysicalAddress? Find(uint grant, bool isWritten)
        {
            GuestPhysicalAddress address = new((ulong)grant << 12);
            return _memory.Contains(address, 4096) ? _memory.Tables.Walk(address, EptRights.Read).Address : null;
        }
    }

    /// <summary>Writes into pages that may only be read.</summary>
    private sealed class WritingGrants(IGrants inner) : IGrants
    {
        public bool TryTake(uint grant, bool isWritten, out GrantedPage page) => inner.TryTake(grant, isWritten && IsRing(grant), out page);

        public void Return(GrantedPage page) => inner.Return(page);
    }

    /// <summary>Looks at a grant once, and believes for ever what it saw.</summary>
    private sealed class RememberingGrants(VirtualMachine machine) : CarelessGrants(machine)
    {
        private readonly GrantTable _table = machine.Grants;
        private readonly Dictionary<(uint, bool), PhysicalAddress> _known = [];

        protected override PhysicalAddress? Find(uint grant, bool isWritten)
        {
            if (_known.TryGetValue((grant, isWritten), out PhysicalAddress known))
                return known;
            if (!_table.TryTake(grant, isWritten, out GrantedPage page))
                return null;
            _table.Return(page);
            return _known[(grant, isWritten)] = page.Frame;
        }
    }

    /// <summary>Gives a page back before it is used.</summary>
    private sealed class HastyGrants(IGrants inner) : IGrants
    {
        public bool TryTake(uint grant, bool isWritten, out GrantedPage page)
        {
            bool isTaken = inner.TryTake(grant, isWritten, out page);
            if (isTaken && !IsRing(grant))
                inner.Return(page);
            return isTaken;
        }

        public void Return(GrantedPage page)
        {
            if (IsRing(page.Grant))
                inner.Return(page);
        }
    }
}
