using System.Security.Cryptography;
using System.Text;
using Dma.Hal.Spec;
using Dma.Vmm;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>Random programs on several VMs with management devices, against models: the invariants J1 to J6, and U1, U2 and U4.</summary>
/// <remarks>
/// J1 and J5: <see cref="ManagementChatModel"/>. J2 and U1: no byte of a VM but those named in its own requests. J3: follows from
/// both. J4: <see cref="ManagementFilesModel"/>, and the folder in the end. J6: the same functions, computed here. U2: the
/// books of <see cref="ManagementGuest.Collect"/>. U4: whoever was not reset, and whoever talked to nobody who was, notices nothing.
/// </remarks>
public sealed class ManagementProgramTests
{
    internal enum What
    {
        Send,
        Burst,
        Receive,
        HostReceives,
        Open,
        Write,
        Read,
        Close,
        Remove,
        List,
        Calculate,
        Report,
        Query,
        Cancel,
        ModesOff,
        ModesOn,
        RingAgain,
        Wait,
        Reset,
        Destroy,
        HandOver,
        Fail,
    }

    private static Gen<Step> Steps =>
        from what in Gen.Frequency(
            (8, Gen.Constant(What.Send)),
            (6, Gen.Constant(What.Receive)),
            (1, Gen.Constant(What.Burst)),
            (2, Gen.Elements(What.HostReceives, What.RingAgain, What.Cancel)),
            (3, Gen.Elements(What.Open, What.Remove, What.Close, What.List)),
            (5, Gen.Elements(What.Write, What.Read)),
            (2, Gen.Elements(What.Calculate, What.Report, What.Query)),
            (6, Gen.Constant(What.Wait)),
            (1, Gen.Elements(What.ModesOff, What.ModesOn)),
            (1, Gen.Elements(What.Reset, What.Destroy, What.HandOver, What.Fail)))
        from guest in Gen.Choose(0, 2)
        from other in Gen.Choose(0, 4)
        from number in Gen.Choose(0, 255)
        from length in Gen.Choose(4, ManagementGuest.BufferBytes)
        select new Step(what, guest, other, number, length);

    [Fact]
    public void Whatever_guests_do_messages_files_and_results_are_those_of_the_models()
    {
        HashSet<ManagementResult> seen = [];
        Property.Check(
            Generate.Program(Steps, 60),
            program =>
            {
                using Run run = new(seen);
                foreach (Step step in program)
                    run.Do(step);
                run.End();
            },
            count: 700);

        // Programs that reach nothing would prove nothing.
        ManagementResult[] notForTheseGuests =
            [ManagementResult.None, ManagementResult.TooLong, ManagementResult.BufferFault, ManagementResult.BadName, ManagementResult.NameTaken, ManagementResult.HostError];
        Assert.Equal(Enum.GetValues<ManagementResult>().Except(notForTheseGuests), seen.Order());
    }

    [Fact]
    public void A_guest_that_switched_its_modes_off_and_on_right_after_a_reset_gets_what_is_sent_to_it_afterwards()
    {
        HashSet<ManagementResult> seen = [];
        using Run run = new(seen);
        foreach (Step step in (Step[])[
            new(What.Reset, Guest: 1, Other: 0, Number: 87, Length: 144),
            new(What.ModesOn, Guest: 1, Other: 2, Number: 148, Length: 232),
            new(What.Send, Guest: 0, Other: 2, Number: 182, Length: 39),
            new(What.Wait, Guest: 1, Other: 3, Number: 251, Length: 82),
            new(What.Receive, Guest: 1, Other: 0, Number: 3, Length: 200),
            .. Enumerable.Repeat(new Step(What.Wait, Guest: 0, Other: 0, Number: 255, Length: 4), 20)])
        {
            run.Do(step);
        }

        run.End();
        Assert.Equal([ManagementResult.Done], seen);
    }

    internal sealed record Step(What What, int Guest, int Other, int Number, int Length);

    private sealed class Run : IDisposable
    {
        private readonly ManagementWorld _world = new(guests: 3);
        private readonly ManagementChatModel _chat = new();
        private readonly HashSet<ManagementResult> _seen;
        private readonly ManagementPlayer[] _players;

        public Run(HashSet<ManagementResult> seen)
        {
            _seen = seen;
            _players = [.. _world.Guests.Select(guest => new ManagementPlayer(guest))];
        }

        public void Dispose() => _world.Dispose();

        public void Do(Step step)
        {
            ManagementPlayer player = _players[step.Guest];
            switch (step.What)
            {
                case What.Wait:
                    _world.Host.Loop.RunFor((ulong)step.Number * 40);
                    Collect();
                    break;
                case What.HostReceives:
                    Collect();
                    ReceiveForHost();
                    break;
                case What.HandOver:
                    _world.HandOver();
                    break;
                case What.Fail:
                    Fail(step.Number);
                    break;
                case var _ when !player.Guest.Machine.IsRunning:
                    break;
                case What.ModesOff or What.ModesOn or What.Reset or What.Destroy:
                    Settle();
                    Disturb(step, player);
                    break;
                case What.Cancel:
                    player.Cancelled |= 1u << (step.Number % ManagementGuest.Slots);
                    player.Guest.Write(ManagementOffsets.Cancel, 1u << (step.Number % ManagementGuest.Slots));
                    break;
                case What.RingAgain:
                    player.Guest.Write(ManagementOffsets.Doorbell, player.Guest.Device.Busy);
                    break;
                case What.Burst:
                    for (int slot = 0; slot < ManagementGuest.Slots; slot++)
                        Ring(step with { What = What.Send, Number = slot }, player);
                    break;
                default:
                    Ring(step, player);
                    break;
            }
        }

        // Whoever still waits for something is told that it will not come; then nothing may be left.
        public void End()
        {
            foreach (ManagementPlayer player in _players.Where(player => player.Guest.Machine.IsRunning))
            {
                player.Cancelled = uint.MaxValue;
                player.Guest.Write(ManagementOffsets.Cancel, uint.MaxValue);
            }

            _world.Host.Loop.RunFor(20_000_000);
            Collect();
            for (int number = 0; number < _players.Length; number++)
                CheckEnd(_players[number], _world.Folders[number]);
            _chat.Check();
        }

        private void CheckEnd(ManagementPlayer player, MemoryFolder folder)
        {
            // What a VM wrote right before its end may have been written or not.
            if (player.Guest.Machine.IsRunning)
            {
                Assert.Empty(player.Guest.Rung);
                Assert.Equal(0u, player.Guest.Device.Busy);
                player.Guest.CheckMemory();
                Assert.Equal(player.Files.Files.Keys.Order(StringComparer.Ordinal), folder.Files);
                Assert.All(player.Files.Files, file => Assert.Equal(file.Value, folder.Get(file.Key)));
                Assert.Equal(player.Files.Left, _world.Core.QuotaLeftOf(player.Guest.Machine));
            }

            Assert.True(folder.BytesUsed <= ManagementWorld.QuotaBytes);
        }

        private void Fail(int number)
        {
            Settle();
            _world.Fail();
            foreach (ManagementPlayer player in _players)
                player.CoreFailed();
            _world.Host.Loop.RunFor((ulong)number);
            _world.Recover();
        }

        private void Disturb(Step step, ManagementPlayer player)
        {
            player.Disturb();
            switch (step.What)
            {
                case What.ModesOff:
                    player.Guest.Write(ManagementOffsets.Mode, 0);
                    break;
                case What.ModesOn:
                    player.Guest.Write(ManagementOffsets.Mode, 0);
                    player.Guest.Write(ManagementOffsets.Mode, (uint)ManagementModes.All);
                    break;
                case What.Reset:
                    player.Forget();
                    player.Guest.Begin(step.Number % 4 == 0 ? ManagementModes.None : ManagementModes.All);
                    break;
                default:
                    _chat.Destroyed(player.Guest.Self);
                    _world.Destroy(step.Guest);
                    break;
            }
        }

        private void ReceiveForHost()
        {
            while (_world.Core.Mailbox.TryReceive(out uint source, out ReadOnlyMemory<byte> message))
                _chat.Received(ManagementCore.HostNumber, source, message.Span);
        }

        private void Ring(Step step, ManagementPlayer player)
        {
            int slot = step.Number % ManagementGuest.Slots;
            if (!player.Guest.IsFree(slot))
                return;
            player.Cancelled &= ~(1u << slot);
            ManagementRequest request = new() { ClaimedSource = (uint)step.Other, Handle = player.AnyHandle(step.Number) };
            string name = $"file{step.Other % 3}";
            switch (step.What)
            {
                case What.Send:
                    uint destination = (uint)step.Other;
                    byte[] message = _chat.Begin(player.Guest.Self, destination, step.Length);
                    player.Note(
                        player.Guest.Ring(slot, request with { Command = ManagementCommand.Send, Destination = destination }, message),
                        Array.Find(_players, other => other.Guest.Machine.IsRunning && other.Guest.Self == destination),
                        _chat.Waiting(player.Guest.Self, destination));
                    return;
                case What.Receive:
                    player.Guest.Ring(slot, request with { Command = ManagementCommand.Receive }, outputLength: step.Length);
                    return;
                case What.Open:
                    ulong flags = (ulong)new[] { 0, 1, 3, 3, 7 }[step.Number % 5];
                    player.Guest.Ring(slot, request with { Command = ManagementCommand.OpenFile, Argument = flags }, Encoding.UTF8.GetBytes(name));
                    return;
                case What.Write:
                    player.Guest.Ring(slot, request with { Command = ManagementCommand.WriteFile, Argument = (ulong)step.Number * 4 }, new byte[step.Length].Select((_, at) => (byte)(at + step.Number)).ToArray());
                    return;
                case What.Read:
                    player.Guest.Ring(slot, request with { Command = ManagementCommand.ReadFile, Argument = (ulong)step.Number * 4 }, outputLength: step.Length);
                    return;
                case What.Close:
                    player.Guest.Ring(slot, request with { Command = ManagementCommand.CloseFile });
                    return;
                case What.Remove:
                    player.Guest.Ring(slot, request with { Command = ManagementCommand.RemoveFile }, Encoding.UTF8.GetBytes(name));
                    return;
                case What.List:
                    player.Guest.Ring(slot, request with { Command = ManagementCommand.ListFiles, Argument = (ulong)step.Other }, outputLength: 255);
                    return;
                case What.Calculate:
                    ManagementCommand function = (ManagementCommand)((int)ManagementCommand.Crc32C + (step.Other % 3));
                    player.Guest.Ring(slot, request with { Command = function }, RandomNumbers(step), outputLength: ManagementGuest.BufferBytes);
                    return;
                case What.Report:
                    player.Guest.Ring(slot, request with { Command = ManagementCommand.Report }, new byte[ManagementDemand.Size]);
                    return;
                default:
                    player.Guest.Ring(slot, request with { Command = ManagementCommand.Query, Destination = (uint)step.Other }, outputLength: ManagementStatistics.Size);
                    return;
            }
        }

        private static byte[] RandomNumbers(Step step)
        {
            byte[] bytes = new byte[step.Length];
            new Random(step.Number).NextBytes(bytes);
            return bytes;
        }

        // All that was done so far, and nothing half.
        private void Settle()
        {
            Assert.True(_world.Host.Loop.RunUntil(() => !_world.Core.IsBusy));
            Collect();
        }

        private void Collect()
        {
            foreach (ManagementPlayer player in _players.Where(player => player.Guest.Machine.IsRunning))
            {
                foreach ((RungRequest request, ManagementCompletion completion, byte[] output) in player.Guest.Collect())
                    Check(player, request, completion, output);
            }
        }

        private void Check(ManagementPlayer player, RungRequest request, ManagementCompletion completion, byte[] output)
        {
            ManagementResult result = completion.Result;
            _ = _seen.Add(result);
            if (request.Command == ManagementCommand.Send)
            {
                Assert.True(player.MayEnd(request, result), $"{request.Fields} ended as {result}.");
                _chat.Ended(request.Input, result);
                return;
            }

            switch (result)
            {
                case ManagementResult.ModeOff:
                    Assert.Equal(ManagementModes.None, player.Guest.Device.Modes);
                    return;
                case ManagementResult.Cancelled:
                    Assert.True(player.WasCancelled(request.Slot));
                    return;
                case ManagementResult.CoreLost:
                    Assert.True(player.Fails != 0 && request.Command == ManagementCommand.Receive);
                    return;
                default:
                    break;
            }

            switch ((int)request.Command >> 4)
            {
                case 0:
                    player.Files.Check(request, completion, output);
                    break;
                case 1:
                    bool isOther = request.Command == ManagementCommand.Query && request.Fields.Destination != 0 && request.Fields.Destination != player.Guest.Self;
                    Assert.Equal(isOther ? ManagementResult.NotGranted : ManagementResult.Done, result);
                    break;
                case 2 when result == ManagementResult.Done:
                    _chat.Received(player.Guest.Self, completion.Source, output);
                    break;
                case 2:
                    Assert.True(result == ManagementResult.NoRoom && completion.Value > request.Fields.OutputLength);
                    break;
                default:
                    CheckResult(request, result, output);
                    break;
            }
        }

        private static void CheckResult(RungRequest request, ManagementResult result, byte[] output)
        {
            if (request.Command == ManagementCommand.Sort && request.Input.Length % 8 != 0)
            {
                Assert.Equal(ManagementResult.BadRequest, result);
                return;
            }

            Assert.Equal(ManagementResult.Done, result);
            byte[] expected = request.Command switch
            {
                ManagementCommand.Crc32C => BitConverter.GetBytes(Crc32C(request.Input)),
                ManagementCommand.Sha256 => SHA256.HashData(request.Input),
                _ => [.. request.Input.Chunk(8).Select(eight => BitConverter.ToUInt64(eight)).Order().SelectMany(BitConverter.GetBytes)],
            };
            Assert.Equal(expected, output);
        }

        // Bit by bit, with the reversed polynomial of Castagnoli.
        private static uint Crc32C(byte[] bytes)
        {
            uint sum = uint.MaxValue;
            foreach (byte value in bytes)
            {
                sum ^= value;
                for (int bit = 0; bit < 8; bit++)
                    sum = (sum >> 1) ^ ((sum & 1) * 0x82F6_3B78);
            }

            return ~sum;
        }
    }
}
