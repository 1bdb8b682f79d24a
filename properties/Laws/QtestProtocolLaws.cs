using System.Text;
using Dma.Lab;
using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>The qtest protocol without sockets: what holds for every line, sensible or not, and for every way that lines arrive.</summary>
public sealed class QtestProtocolLaws
{
    private static readonly string[] Commands =
    [
        "readb", "readw", "readl", "readq", "writeb", "writew", "writel", "writeq", "read", "write", "b64read", "b64write", "memset",
        "inb", "inw", "inl", "outb", "outw", "outl", "clock_step", "clock_set", "endianness", "irq_intercept_in", "irq_intercept_out",
        "set_irq_in", "msi_take", "module_load", "quit", "",
    ];

    private static readonly string[] Words =
    [
        "0", "1", "4", "8", "0x10", "0xff", "017", "0x1000", "0xff000", "0xfffff", "0x100000", "0xfed90000", "0xfed90018", "0xc0000000", "0xc0000060",
        "0xc0000098", "0xb0020000", "0xcf8", "0xcfc", "0x80002004", "0x10000", "4096", "100000000", "9223372036854775807", "0xffffffffffffffff",
        "18446744073709551616", "-1", "0x", "0xg", "09", "x", "0xdeadbeef", "0xdeadbee", "3q2+7w==", "3q2+7w=", "ioapic", "/machine/q35/ioapic",
        "unnamed-gpio-in", "\u00e9\u0000\t", "\r",
    ];

    [Fact]
    public void How_lines_are_cut_into_packets_does_not_matter() =>
        Property.Check(
            from lines in Line.ListOf()
            from cuts in Gen.Choose(1, 40).ListOf()
            select (Text: string.Concat(lines.Select(line => line + "\n")), Cuts: cuts.ToArray()),
            sent =>
            {
                using QtestBench whole = new();
                using QtestBench cut = new();
                byte[] bytes = Encoding.Latin1.GetBytes(sent.Text);
                string expected = whole.Send(bytes);
                StringBuilder found = new();
                int at = 0;
                foreach (int length in sent.Cuts)
                {
                    int count = Math.Min(length, bytes.Length - at);
                    found.Append(cut.Send(bytes.AsSpan(at, count)));
                    at += count;
                }

                found.Append(cut.Send(bytes.AsSpan(at)));
                Assert.Equal(expected, found.ToString());
            });

    [Fact]
    public void Every_line_gets_exactly_one_answer_and_the_client_lives_on() =>
        Property.Check(
            Gen.OneOf(Line, Gen.Choose(0, 255).ArrayOf().Select(bytes => new string([.. bytes.Where(value => value != '\n').Select(value => (char)value)]))).ListOf(),
            lines =>
            {
                using QtestBench bench = new();
                foreach (string line in lines)
                {
                    string[] answers = bench.Send(Encoding.Latin1.GetBytes(line + "\n")).Split('\n');
                    Assert.Equal("", answers[^1]);
                    Assert.Matches("^(OK|OK [!-~ ]*|FAIL [!-~ ]+)$", answers[^2]);
                    Assert.All(answers[..^2], notification => Assert.Matches("^IRQ (raise|lower) [0-9]+$", notification));
                    Assert.False(bench.Client.IsOver);
                }

                Assert.Equal("OK little", bench.Ask("endianness"));
            });

    [Fact]
    public void Memory_is_what_was_written_last_by_whatever_command() =>
        Property.Check(
            Generate.Program(Step, stepsMax: 30),
            steps =>
            {
                using QtestBench bench = new();
                byte[] model = new byte[QtestBench.RamBytes];
                foreach ((string line, int at, byte[] bytes) in steps)
                {
                    Assert.Equal("OK", bench.Ask(line));
                    bytes.CopyTo(model.AsSpan(at));
                    int width = 1 << (at % 4);
                    ulong expected = BitConverter.ToUInt64(model, at) & RegisterFile.AllOnes(width);
                    Assert.Equal($"OK 0x{expected:x16}", bench.Ask($"read{"bwlq"[at % 4]} {at}"));
                }

                byte[] found = new byte[model.Length];
                Assert.True(bench.Machine.Memory.TryRead(new PhysicalAddress(0), found.AsSpan()));
                Assert.Equal(model, found);
                Assert.Equal("OK 0x" + Convert.ToHexStringLower(model[0x800..0x1800]), bench.Ask("read 0x800 0x1000"));
                Assert.Equal("OK " + Convert.ToBase64String(model[0x7FD..0x1800]), bench.Ask("b64read 0x7fd 0x1003"));
            });

    [Fact]
    public void Numbers_are_read_as_C_reads_them() =>
        Property.Check(
            Generate.Any64,
            number =>
            {
                foreach (string text in (string[])[$"0x{number:x}", $"0X{number:X16}", $"{number}", "0" + Octal(number), $"0x{number:x17}"])
                {
                    Assert.True(QtestNumber.TryParse(Encoding.ASCII.GetBytes(text), out ulong value), text);
                    Assert.Equal(number, value);
                }

                foreach (string text in (string[])["", "0x", $"0x1{number:x16}", $"{number}1{ulong.MaxValue}", "08", $"-{number}", $"+{number}", $"{number} ", "02" + new string('0', 21), "0b1", "1e3"])
                    Assert.False(QtestNumber.TryParse(Encoding.ASCII.GetBytes(text), out _), text);
            });

    [Fact]
    public void Time_goes_forward_alone_and_to_the_next_event()
    {
        using QtestBench bench = new();
        Assert.StartsWith("FAIL cannot advance clock", bench.Ask("clock_step"), StringComparison.Ordinal);
        Assert.Equal("OK 100", bench.Ask("clock_step 100"));
        Assert.Equal("FAIL could not advance time", bench.Ask("clock_step 0"));
        Assert.Equal("OK 250", bench.Ask("clock_set 250"));
        Assert.Equal("FAIL 250", bench.Ask("clock_set 249"));
        Assert.Equal("OK 250", bench.Ask("clock_set 250"));
        Assert.Equal("OK", bench.Ask($"writel {bench.EduBase + EduWorld.Command} 1"));
        Assert.Equal("OK 100000250", bench.Ask("clock_step"));
        Assert.Equal(0ul, bench.AskNumber($"readq {bench.EduBase + EduWorld.Command}"));
        Assert.Equal($"OK {long.MaxValue}", bench.Ask($"clock_set {long.MaxValue}"));
        Assert.Equal("FAIL could not advance time", bench.Ask("clock_step 1"));
        Assert.StartsWith("FAIL", bench.Ask("clock_step 9223372036854775808"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_long_step_is_done_in_turns_between_which_others_have_theirs()
    {
        using QtestBench bench = new();
        using QtestClient stepper = new(bench.Machine, bench.Clock);
        ScheduledEvent? tick = null;
        tick = new(() => bench.Machine.Loop.Schedule(1000, tick!));
        bench.Machine.Loop.Schedule(1000, tick);
        byte[] lines = Encoding.ASCII.GetBytes("clock_step 50000000\nclock_set 60000000\nendianness\n");
        lines.CopyTo(stepper.Room());
        stepper.Received(lines.Length);
        int turns = 0;
        while (stepper.IsBusy)
        {
            Assert.True(stepper.Room().IsEmpty);
            Assert.Equal("OK little", bench.Ask("endianness"));
            stepper.Continue();
            turns++;
        }

        Assert.InRange(turns, 10, 60);
        Assert.Equal("OK 50000000\nOK 60000000\nOK little\n", Encoding.ASCII.GetString(stepper.Pending.Span));
        Assert.Equal(60_000_000ul, bench.Machine.Loop.NowNs);
    }

    [Fact]
    public void A_machine_that_is_slower_than_the_wall_clock_loses_time_and_not_its_clients()
    {
        EventLoop loop = new();
        QtestClock clock = new(loop, isRealTime: true);
        ScheduledEvent? tick = null;
        tick = new(() => loop.Schedule(1, tick!));
        loop.Schedule(1, tick);
        System.Diagnostics.Stopwatch watch = System.Diagnostics.Stopwatch.StartNew();
        for (int turn = 0; turn < 5; turn++)
        {
            Thread.Sleep(10);
            clock.CatchUp();
        }

        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5));
        Assert.InRange(clock.NowNs, 1ul, (ulong)watch.Elapsed.TotalNanoseconds);
        tick.Cancel();
        ulong behind = clock.NowNs;
        Thread.Sleep(5);
        clock.CatchUp();
        Assert.InRange(clock.NowNs, behind + 5_000_000, (ulong)watch.Elapsed.TotalNanoseconds);
        Assert.True(clock.TryReach(clock.NowNs + 1_000_000_000));
        ulong ahead = clock.NowNs;
        clock.CatchUp();
        Assert.InRange(clock.NowNs, ahead, ahead + (ulong)watch.Elapsed.TotalNanoseconds);
    }

    [Fact]
    public void Wires_tell_those_who_watch_them_before_the_answer()
    {
        using QtestBench bench = new();
        using QtestClient other = new(bench.Machine, bench.Clock);
        string raise = $"writel {bench.EduBase + 0x60} 1\n";
        Assert.Equal("OK\n", bench.Send(Encoding.ASCII.GetBytes(raise)));
        Assert.Equal("OK\nOK\n", bench.Send(Encoding.ASCII.GetBytes($"writel {bench.EduBase + 0x64} 1\nirq_intercept_in ioapic\n")));
        Assert.Equal("OK", bench.Ask("irq_intercept_in /machine/unattached/ioapic"));
        Assert.Equal("IRQ raise 20\nOK\n", bench.Send(Encoding.ASCII.GetBytes(raise)));
        Assert.Equal("OK\n", bench.Send(Encoding.ASCII.GetBytes(raise)));
        Assert.Equal("IRQ lower 20\nOK\n", bench.Send(Encoding.ASCII.GetBytes($"writel {bench.EduBase + 0x64} 1\n")));
        Assert.Equal("IRQ raise 3\nOK\n", bench.Send("set_irq_in ioapic unnamed-gpio-in 3 -1\n"u8));
        Assert.Equal("IRQ lower 3\nOK\n", bench.Send("set_irq_in ioapic unnamed-gpio-in 3 0\n"u8));
        Assert.True(other.Pending.IsEmpty);
        bench.Client.Dispose();
        bench.Machine.Pins.SetLevel(3, true);
        Assert.True(bench.Client.Pending.IsEmpty);
    }

    [Theory]
    [InlineData("irq_intercept_in nobody", "FAIL Unknown device")]
    [InlineData("irq_intercept_in ioapic name", "FAIL Interception of named in-GPIOs not yet supported")]
    [InlineData("irq_intercept_out ioapic", "FAIL No intercepts installed")]
    [InlineData("set_irq_in ioapic unnamed-gpio-in 24 1", "FAIL NUM is more than 0x17")]
    [InlineData("set_irq_in ioapic unnamed-gpio-in 1 x", "FAIL LEVEL is no number of 64 bits")]
    [InlineData("set_irq_in ioapic other 1 1", "FAIL Unknown pins")]
    [InlineData("readl", "FAIL ADDR is missing")]
    [InlineData("readl x", "FAIL ADDR is no number of 64 bits")]
    [InlineData("readl 0 0", "FAIL too many words")]
    [InlineData("readq 0xfffffffffffffff9", "FAIL ADDR is more than 0xfffffffffffffff8")]
    [InlineData("inl 0x10000", "FAIL ADDR is more than 0xffff")]
    [InlineData("read 0 0x1000001", "FAIL SIZE is more than 16777216 bytes")]
    [InlineData("read 0xfffffffffffffff0 0x11", "FAIL the range leaves the address space")]
    [InlineData("write 0 4 deadbeef", "FAIL DATA is no hexadecimal number of whole bytes")]
    [InlineData("write 0 4 0xzz", "FAIL DATA is no hexadecimal number of whole bytes")]
    [InlineData("b64write 0 4 ====", "FAIL DATA is not in base 64")]
    [InlineData("memset 0 0xffffffffffffffff 0", "FAIL SIZE is more than 16777216 bytes, and not all of them are memory")]
    [InlineData("Readl 0", "FAIL Unknown command 'Readl'")]
    [InlineData("f\u00e9", "FAIL Unknown command 'f?'")]
    [InlineData("readl 0xb0020000", "OK 0x0000000011e81234")]
    [InlineData("  readl   0xb0020000 \r", "OK 0x0000000011e81234")]
    [InlineData("readq 0x8000000000", "OK 0xffffffffffffffff")]
    [InlineData("inw 0x80", "OK 0xffff")]
    [InlineData("read 0xffffe 4", "OK 0x0000ffff")]
    [InlineData("write 0x100 4 0xab", "OK")]
    [InlineData("write 0x100 0 0xab", "OK")]
    [InlineData("memset 0xffffffffffffffff 0 1", "OK")]
    public void A_line_has_the_answer_that_its_mistake_or_its_place_deserves(string line, string answer)
    {
        using QtestBench bench = new();
        Assert.Equal(answer, bench.Ask(line));
    }

    [Fact]
    public void The_most_data_fits_and_a_line_that_never_ends_ends_its_client_alone()
    {
        using QtestBench bench = new();
        byte[] data = new byte[QtestBench.RamBytes];
        new Random(1).NextBytes(data);
        Assert.Equal("OK", bench.Ask($"write 0 {QtestMemory.BytesMax} 0x{new string('f', 2 * QtestMemory.BytesMax)}"));
        Assert.Equal("OK", bench.Ask($"b64write 0 {data.Length} {Convert.ToBase64String(data)}"));
        Assert.StartsWith("OK 0x" + Convert.ToHexStringLower(data) + "ffff", bench.Ask($"read 0 {QtestMemory.BytesMax}"), StringComparison.Ordinal);

        using QtestBench small = new(lineMax: 100_000);
        Assert.Equal("", small.Send(new byte[99_999]));
        Assert.Equal("FAIL Unknown command '" + new string('?', 183) + "\n", small.Send("\n"u8));
        Assert.False(small.Client.IsOver);
        Assert.Equal("FAIL the line is too long\n", small.Send(new byte[200_000]));
        Assert.True(small.Client.IsOver);
        Assert.True(small.Client.Room().IsEmpty);
    }

    [Fact]
    public void Answers_that_nobody_takes_hold_up_only_the_lines_behind_them()
    {
        using QtestBench bench = new();
        byte[] flood = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("read 0 4096\n", 1000)));
        int sent = 0;
        while (sent < flood.Length)
        {
            Memory<byte> room = bench.Client.Room();
            if (room.IsEmpty)
                break;
            int count = Math.Min(room.Length, flood.Length - sent);
            flood.AsSpan(sent, count).CopyTo(room.Span);
            sent += count;
            bench.Client.Received(count);
        }

        Assert.InRange(bench.Client.Pending.Length, QtestClient.PendingMax, QtestClient.PendingMax + 10_000);
        string answers = bench.Send(flood.AsSpan(sent));
        Assert.Equal(1000, answers.Count(character => character == '\n'));
    }

    private static Gen<string> Line =>
        from command in Gen.Elements(Commands)
        from words in Gen.Elements(Words).ListOf()
        from glue in Gen.Frequency((9, Gen.Constant(" ")), (1, Gen.Constant("  ")))
        select string.Join(glue, words.Take(5).Prepend(command));

    private static Gen<(string Line, int At, byte[] Bytes)> Step =>
        from kind in Gen.Choose(0, 3)
        from at in Gen.Frequency((3, Gen.Choose(0x700, 0x1900)), (1, Gen.Choose(0, (int)QtestBench.RamBytes - 4096)))
        from value in Generate.Any64
        from count in Gen.Choose(1, 300)
        select Written(kind, at, value, count);

    private static (string Line, int At, byte[] Bytes) Written(int kind, int at, ulong value, int count)
    {
        byte[] bytes = new byte[count];
        new Random((int)value).NextBytes(bytes);
        int width = 1 << (count % 4);
        return kind switch
        {
            0 => ($"write{"bwlq"[count % 4]} 0x{at:x} {value}", at, BitConverter.GetBytes(value)[..width]),
            1 => ($"write 0x{at:x} {count + 2} 0x{Convert.ToHexString(bytes)}", at, [.. bytes, 0, 0]),
            2 => ($"b64write {at} {count} {Convert.ToBase64String(bytes)}", at, bytes),
            _ => ($"memset {at} {count} 0x{value:x}", at, [.. Enumerable.Repeat((byte)value, count)]),
        };
    }

    private static string Octal(ulong number) => number == 0 ? "0" : string.Concat(Enumerable.Range(0, 22).Select(digit => number >> (3 * digit) & 7).Reverse()).TrimStart('0');
}
