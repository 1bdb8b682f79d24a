using Dma.Hal.Spec;
using Dma.Machine;
using Dma.UsbDevice;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Whatever a front end writes into its rings and grants, a service VM reaches what was granted alone, and nobody else is harmed.</summary>
public sealed class HostileServedTests
{
    [Theory]
    [InlineData(ServiceTransport.SharedRing)]
    [InlineData(ServiceTransport.Call)]
    public void No_program_of_a_front_end_reaches_what_was_not_granted_or_goes_without_an_answer(ServiceTransport transport)
    {
        FrontEndTally tally = new();
        Play(HostileFrontEndTests.Programs, tally, new() { Transport = transport });
        Assert.True(tally.Responses(UrbStatus.Ok) > tally.Programs / 2 && tally.ChangedInUse > tally.Programs / 40, $"{tally}");
    }

    [Fact]
    public void A_VMM_that_takes_the_number_of_a_grant_for_that_of_a_page_is_found()
    {
        ServiceVmOptions options = new() { Grants = guest => new TrustingGrants(guest) };
        Exception found = Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => Play(Arb.From(HostileFrontEndTests.Programs.Generator), new(), options));
        Assert.Contains("and not granted", found.Message, StringComparison.Ordinal);
    }

    private static void Play(Arbitrary<FrontEndStep[]> programs, FrontEndTally tally, ServiceVmOptions options)
    {
        using Host host = AssignmentWorld.Small();
        EhciController device = new(host.Loop);
        host.Pci.Add(device, 3);
        host.Boot();
        int seed = 0;
        Property.Check(
            programs,
            program =>
            {
                using HostileFrontEnd guest = new(host, seed, tally, new ServiceGround(host, device.Source, options));
                seed++;
                guest.Play(program);
            },
            count: 250);
    }

    /// <summary>Looks at the table for the rings alone.</summary>
    private sealed class TrustingGrants(VirtualMachine machine) : IGrants
    {
        public bool TryTake(uint grant, bool isWritten, out GrantedPage page)
        {
            if (IsRing(grant))
                return machine.Grants.TryTake(grant, isWritten, out page);
            GuestPhysicalAddress address = new((ulong)grant << 12);
            bool isMemory = machine.Memory.Contains(address, 4096);
            page = isMemory ? new(grant, machine.Memory.Tables.Walk(address, EptRights.Read).Address, isWritten) : default;
            if (isMemory)
                machine.Host.Frames.Pin(page.Frame);
            return isMemory;
        }

        public void Return(GrantedPage page)
        {
            if (IsRing(page.Grant))
                machine.Grants.Return(page);
            else
                machine.Host.Frames.Unpin(page.Frame);
        }

        private static bool IsRing(uint grant) => grant is FrontEndMemory.RingGrant or FrontEndMemory.PlugGrant;
    }
}
