using Dma.Machine;
using FsCheck;
using FsCheck.Fluent;

namespace Dma.Properties;

/// <summary>What holds for every register, whatever its masks are.</summary>
public sealed class RegisterLaws
{
    // Disjoint masks, as in a manual: a bit is writable, or cleared by a one, or read-only.
    private static Gen<RegisterRule> Rules =>
        from reset in Generate.Any64
        from writable in Generate.Any64
        from clearing in Generate.Any64
        from unreadable in Sparse
        from kept in Generate.Any64
        select new RegisterRule(reset, writable, clearing & ~writable, unreadable, kept);

    private static Gen<ulong> Sparse => from left in Generate.Any64 from right in Generate.Any64 from third in Generate.Any64 select left & right & third;

    private static Gen<ulong> EnabledBytes => Gen.Choose(1, 255).Select(bytes =>
        Enumerable.Range(0, 8).Aggregate(0ul, (mask, at) => mask | ((bytes >> at & 1) != 0 ? 0xFFul << (8 * at) : 0)));

    private static Gen<(RegisterRule Rule, ulong Current, ulong Written, ulong Enabled)> Writes =>
        from rule in Rules
        from current in Generate.Any64
        from written in Generate.Any64
        from enabled in EnabledBytes
        select (rule, current, written, enabled);

    [Fact]
    public void Outside_the_masks_and_outside_the_access_nothing_changes() =>
        Property.Check(Writes, write =>
        {
            ulong after = write.Rule.Write(write.Current, write.Written, write.Enabled);
            Assert.Equal(0ul, (after ^ write.Current) & ~((write.Rule.Writable | write.Rule.ClearOnOne) & write.Enabled));
        });

    [Fact]
    public void Writable_bits_take_what_is_written() =>
        Property.Check(Writes, write =>
        {
            ulong taken = write.Rule.Writable & write.Enabled;
            Assert.Equal(write.Written & taken, write.Rule.Write(write.Current, write.Written, write.Enabled) & taken);
        });

    [Fact]
    public void Bits_that_a_one_clears_only_fall_and_only_where_a_one_was_written() =>
        Property.Check(Writes, write =>
        {
            ulong after = write.Rule.Write(write.Current, write.Written, write.Enabled);
            Assert.Equal(write.Current & write.Rule.ClearOnOne & ~(write.Written & write.Enabled), after & write.Rule.ClearOnOne);
        });

    [Fact]
    public void Writing_twice_is_writing_once() =>
        Property.Check(Writes, write =>
        {
            ulong once = write.Rule.Write(write.Current, write.Written, write.Enabled);
            Assert.Equal(once, write.Rule.Write(once, write.Written, write.Enabled));
        });

    [Fact]
    public void Two_halves_in_either_order_are_the_whole_write() =>
        Property.Check(Writes, write =>
        {
            foreach (ulong half in (ReadOnlySpan<ulong>)[write.Enabled, 0xFFFF_FFFF, 0x00FF_00FF_00FF_00FF])
            {
                ulong whole = write.Rule.Write(write.Current, write.Written, ulong.MaxValue);
                ulong low = write.Rule.Write(write.Rule.Write(write.Current, write.Written, half), write.Written, ~half);
                ulong high = write.Rule.Write(write.Rule.Write(write.Current, write.Written, ~half), write.Written, half);
                Assert.Equal(whole, low);
                Assert.Equal(whole, high);
            }
        });

    [Fact]
    public void A_register_file_answers_like_its_bytes() =>
        Property.Check(Programs, program =>
        {
            RegisterFile file = new(FileBytes, program.Registers);
            ByteModel model = new(program.Registers);
            foreach (Access access in program.Accesses)
            {
                if (access.Value is { } value)
                {
                    file.Write(access.Offset, access.Width, value);
                    model.Write(access.Offset, access.Width, value);
                }

                Assert.Equal(model.Read(access.Offset, access.Width), file.Read(access.Offset, access.Width));
            }

            file.Reset(warm: true);
            model.Reset(warm: true);
            Assert.All(program.Registers, register => Assert.Equal(model.Held(register), file[register.Offset]));
            file.Reset();
            Assert.All(program.Registers, register => Assert.Equal(register.Rule.Reset, file[register.Offset]));
        });

    [Fact]
    public void Each_register_that_an_access_touches_is_written_once_lowest_first() =>
        Property.Check(Programs, program =>
        {
            RegisterFile file = new(FileBytes, program.Registers);
            Recorder recorder = new(file);
            foreach (Access access in program.Accesses.Where(access => access.Value is not null && Inside(access)))
            {
                recorder.Writes.Clear();
                file.Write(access.Offset, access.Width, access.Value!.Value, recorder);
                int[] touched = [.. program.Registers
                    .Where(register => register.Offset < access.Offset + access.Width && access.Offset < register.Offset + register.Width)
                    .Select(register => register.Offset).Order()];
                Assert.Equal(touched, recorder.Writes.Select(write => write.Offset));
                ulong covered = recorder.Writes.Aggregate(0ul, (sum, write) => sum + (ulong)System.Numerics.BitOperations.PopCount(write.EnabledBytes));
                Assert.True(covered <= (ulong)(8 * access.Width));
                Assert.All(recorder.Writes, write =>
                {
                    Assert.Equal(0ul, write.Written & ~write.EnabledBytes);
                    Assert.Equal(0ul, (write.Before ^ write.After) & ~write.EnabledBytes);
                });
            }
        });

    [Fact]
    public void An_access_that_leaves_the_window_reads_ones_and_writes_nothing()
    {
        RegisterFile file = new(8, [new(0, 8, "ALL", new(0x1234, Writable: ulong.MaxValue))]);
        foreach ((int offset, int width) in (ReadOnlySpan<(int, int)>)[(8, 1), (7, 2), (5, 4), (1, 8), (-1, 1), (-1, 4), (int.MaxValue, 8), (int.MinValue, 1)])
        {
            Assert.Equal(RegisterFile.AllOnes(width), file.Read(offset, width));
            file.Write(offset, width, ulong.MaxValue);
        }

        Assert.Equal(0x1234ul, file[0]);
    }

    [Fact]
    public void Registers_that_do_not_fit_are_refused()
    {
        RegisterFile file = new(16, [new(0, 4, "A", default)]);
        Assert.Throws<ArgumentException>(() => file.Add(new(2, 2, "OVER", default)));
        Assert.Throws<ArgumentException>(() => file.Add(new(6, 4, "UNALIGNED", default)));
        Assert.Throws<ArgumentException>(() => file.Add(new(4, 3, "WIDTH", default)));
        Assert.Throws<ArgumentException>(() => file.Add(new(16, 4, "OUTSIDE", default)));
        Assert.Throws<ArgumentException>(() => file.Add(new(-4, 4, "BEFORE", default)));
        Assert.Throws<ArgumentException>(() => file.Add(new(4, 2, "RESET", new(0x1_0000))));
        Assert.Throws<ArgumentException>(() => file.Add(new(4, 2, "BOTH", new(0, Writable: 1, ClearOnOne: 1))));
        _ = Assert.Single(file.Registers);
        Assert.Throws<ArgumentOutOfRangeException>(() => file[2]);
        Assert.Throws<ArgumentOutOfRangeException>(() => file[8] = 1);
    }

    private const int FileBytes = 64;

    private static bool Inside(Access access) => access.Offset <= FileBytes - access.Width;

    private static Gen<(Register[] Registers, Access[] Accesses)> Programs =>
        from registers in RegisterSets
        from accesses in Generate.Program(Accesses, stepsMax: 60).Generator
        select (registers, accesses);

    private static Gen<Access> Accesses =>
        from offset in Gen.Choose(0, FileBytes)
        from width in Generate.Width
        from value in Generate.Any64
        from isWrite in Gen.Choose(0, 2)
        select new Access(offset, width, isWrite == 0 ? null : value);

    // Slots of eight bytes, each a hole, or filled with registers of one width, of which some are left out.
    private static Gen<Register[]> RegisterSets =>
        from slots in Gen.ArrayOf(
            from width in Generate.Width
            from rules in Gen.ArrayOf(Rules, 8)
            from present in Gen.Choose(0, 255)
            select (width, rules, present), FileBytes / 8)
        select slots.SelectMany((slot, index) => Enumerable.Range(0, 8 / slot.width)
            .Where(at => (slot.present >> at & 1) != 0)
            .Select(at => new Register((8 * index) + (at * slot.width), slot.width, $"R{index}.{at}", Narrow(slot.rules[at], slot.width))))
            .ToArray();

    private static RegisterRule Narrow(RegisterRule rule, int width)
    {
        ulong mask = RegisterFile.AllOnes(width);
        return new(rule.Reset & mask, rule.Writable & mask, rule.ClearOnOne & mask, rule.Unreadable & mask, rule.Kept & mask);
    }

    private readonly record struct Access(int Offset, int Width, ulong? Value);

    private sealed class Recorder(RegisterFile file) : IRegisterEffects
    {
        public List<RegisterWrite> Writes { get; } = [];

        public void Written(in RegisterWrite write)
        {
            Assert.Equal(file[write.Offset], write.After);
            Writes.Add(write);
        }
    }

    /// <summary>The same registers as single bytes, each with its own masks.</summary>
    private sealed class ByteModel
    {
        private readonly RegisterRule?[] _rules = new RegisterRule?[FileBytes];
        private readonly byte[] _bytes = new byte[FileBytes];

        public ByteModel(Register[] registers)
        {
            foreach (Register register in registers)
            {
                for (int at = 0; at < register.Width; at++)
                {
                    int shift = 8 * at;
                    RegisterRule rule = register.Rule;
                    _rules[register.Offset + at] = new(
                        (byte)(rule.Reset >> shift), (byte)(rule.Writable >> shift), (byte)(rule.ClearOnOne >> shift),
                        (byte)(rule.Unreadable >> shift), (byte)(rule.Kept >> shift));
                }
            }

            Reset(warm: false);
        }

        public void Reset(bool warm)
        {
            for (int at = 0; at < FileBytes; at++)
            {
                byte kept = warm ? (byte)(_rules[at]?.Kept ?? 0) : (byte)0;
                _bytes[at] = (byte)((_bytes[at] & kept) | ((byte)(_rules[at]?.Reset ?? 0) & ~kept));
            }
        }

        public ulong Held(Register register) =>
            Enumerable.Range(0, register.Width).Aggregate(0ul, (value, at) => value | ((ulong)_bytes[register.Offset + at] << (8 * at)));

        public ulong Read(int offset, int width)
        {
            if (offset > FileBytes - width)
                return RegisterFile.AllOnes(width);
            return Enumerable.Range(0, width).Aggregate(0ul, (value, at) =>
                value | ((_bytes[offset + at] & ~(_rules[offset + at]?.Unreadable ?? 0) & 0xFF) << (8 * at)));
        }

        public void Write(int offset, int width, ulong value)
        {
            if (offset > FileBytes - width)
                return;
            for (int at = 0; at < width; at++)
            {
                byte written = (byte)(value >> (8 * at));
                if (_rules[offset + at] is not { } rule)
                    continue;
                byte before = _bytes[offset + at];
                for (int bit = 0; bit < 8; bit++)
                {
                    byte mask = (byte)(1 << bit);
                    if ((rule.Writable & mask) != 0)
                        _bytes[offset + at] = (byte)((_bytes[offset + at] & ~mask) | (written & mask));
                    else if ((rule.ClearOnOne & mask) != 0 && (written & mask) != 0)
                        _bytes[offset + at] &= (byte)~mask;
                }

                Assert.Equal(before & ~(int)(rule.Writable | rule.ClearOnOne) & 0xFF, _bytes[offset + at] & ~(int)(rule.Writable | rule.ClearOnOne) & 0xFF);
            }
        }
    }
}
